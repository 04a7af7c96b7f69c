package panos

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"activedefense/detect"

	"pgregory.net/rapid"
)

// The formats as server profiles take them: PAN-OS's CEF configuration guide for 10.0 and IBM's device support guide, with what
// Strata's pages "CEF Fields" and "LEEF Fields" name, in the order of their examples.
const (
	cefHead    = "CEF:0|Palo Alto Networks|PAN-OS|$sender_sw_version|"
	cefSession = "rt=$cef-formatted-receive_time deviceExternalId=$serial src=$src dst=$dst sourceTranslatedAddress=$natsrc destinationTranslatedAddress=$natdst " +
		"cs1Label=Rule cs1=$rule suser=$srcuser duser=$dstuser app=$app cs3Label=Virtual System cs3=$vsys cs4Label=Source Zone cs4=$from cs5Label=Destination Zone cs5=$to " +
		"deviceInboundInterface=$inbound_if deviceOutboundInterface=$outbound_if cs6Label=LogProfile cs6=$logset cn1Label=SessionID cn1=$sessionid cnt=$repeatcnt spt=$sport dpt=$dport " +
		"sourceTranslatedPort=$natsport destinationTranslatedPort=$natdport flexString1Label=Flags flexString1=$flags proto=$proto act=$action "
	cefTraffic = cefHead + "$subtype|$type|1|" + cefSession + "flexNumber1Label=Total bytes flexNumber1=$bytes in=$bytes_sent out=$bytes_received cn2Label=Packets cn2=$packets " +
		"PanOSPacketsReceived=$pkts_received PanOSPacketsSent=$pkts_sent start=$cef-formatted-time_generated cn3Label=Elapsed time in seconds cn3=$elapsed cs2Label=URL Category cs2=$category " +
		"externalId=$seqno reason=$session_end_reason PanOSDGl1=$dg_hier_level_1 PanOSDGl2=$dg_hier_level_2 PanOSDGl3=$dg_hier_level_3 PanOSDGl4=$dg_hier_level_4 PanOSVsysName=$vsys_name " +
		"dvchost=$device_name cat=$action_source PanOSActionFlags=$actionflags PanOSSrcUUID=$src_uuid PanOSDstUUID=$dst_uuid PanOSTunnelID=$tunnelid PanOSMonitorTag=$monitortag " +
		"PanOSParentSessionID=$parent_session_id PanOSParentStartTime=$parent_start_time PanOSTunnelType=$tunnel PanOSSCTPAssocID=$assoc_id PanOSSCTPChunks=$chunks " +
		"PanOSSCTPChunkSent=$chunks_sent PanOSSCTPChunksRcv=$chunks_received PanOSRuleUUID=$rule_uuid PanOSHTTP2Con=$http2_connection PanLinkChange=$link_change_count PanPolicyID=$policy_id " +
		"PanLinkDetail=$link_switches PanSDWANCluster=$sdwan_cluster PanSDWANDevice=$sdwan_device_type PanSDWANClustype=$sdwan_cluster_type PanSDWANSite=$sdwan_site PanDynamicUsrgrp=$dynusergroup_name"
	cefThreatTail = "PanOSDGl1=$dg_hier_level_1 PanOSVsysName=$vsys_name dvchost=$device_name PanOSTunnelType=$tunnel PanOSThreatCategory=$thr_category PanOSContentVer=$contentver PanOSAssocID=$assoc_id " +
		"PanOSPPID=$ppid PanOSHTTPHeader=$http_headers PanOSURLCatList=$url_category_list PanOSRuleUUID=$rule_uuid PanOSHTTP2Con=$http2_connection PanDynamicUsrgrp=$dynusergroup_name"
	cefThreatMiddle = "request=$misc cs2Label=URL Category cs2=$category flexString2Label=Direction flexString2=$direction PanOSActionFlags=$actionflags externalId=$seqno "
	cefThreat       = cefHead + "$threatid|$type|$number-of-severity|" + cefSession + cefThreatMiddle + "cat=$subtype fileId=$pcap_id " + cefThreatTail
	cefURL          = cefHead + "$subtype|$type|$number-of-severity|" + cefSession + cefThreatMiddle + "requestContext=$contenttype cat=$threatid fileId=$pcap_id requestMethod=$http_method " +
		"requestClientApplication=$user_agent PanOSXForwarderfor=$xff PanOSReferer=$referer " + cefThreatTail
	cefGlobalProtect = cefHead + "$type|$subtype|rt=$receive_time PanOSDeviceSN=$serial PanOSLogTimeStamp=$time_generated PanOSVirtualSystem=$vsys PanOSEventID=$eventid PanOSStage=$stage " +
		"PanOSAuthMethod=$auth_method PanOSTunnelType=$tunnel_type PanOSSourceUserName=$srcuser PanOSSourceRegion=$srcregion PanOSEndpointDeviceName=$machinename PanOSPublicIPv4=$public_ip " +
		"PanOSPublicIPv6=$public_ipv6 PanOSPrivateIPv4=$private_ip PanOSPrivateIPv6=$private_ipv6 PanOSHostID=$hostid PanOSDeviceSN=$serialnumber PanOSGlobalProtectClientVersion=$client_ver " +
		"PanOSEndpointOSType=$client_os PanOSEndpointOSVersion=$client_os_ver PanOSCountOfRepeats=$repeatcnt PanOSQuarantineReason=$reason PanOSConnectionError=$error PanOSDescription=$opaque " +
		"PanOSEventStatus=$status PanOSGPGatewayLocation=$location PanOSLoginDuration=$login_duration PanOSConnectionMethod=$connect_method PanOSConnectionErrorID=$error_code PanOSPortal=$portal " +
		"PanOSSequenceNo=$seqno PanOSActionFlags=$actionflags"
	cefSystem = cefHead + "$subtype|$type|$number-of-severity|rt=$cef-formatted-receive_time deviceExternalId=$serial cs3Label=Virtual System cs3=$vsys fname=$object flexString2Label=Module " +
		"flexString2=$module msg=$opaque externalId=$seqno cat=$eventid PanOSDGl1=$dg_hier_level_1 PanOSVsysName=$vsys_name dvchost=$device_name PanOSActionFlags=$actionflags"
	// Of a security vendor's guide for PAN-OS 10.1.
	cefCustom = cefHead + "$subtype|$type|1|src=$src dst=$dst rule=$rule vs=$vsys sz=$from dz=$to suser=$srcuser duser=$dstuser app=$app spt=$sport dpt=$dport proto=$proto act=$action " +
		"in=$bytes_sent out=$bytes_received reason=$session_end_reason RuleUUID=$rule_uuid TimeHighRes=$high_res_timestamp dvchost=$device_name start=$cef-formatted-time_generated"

	lfHead    = "CEF:0|Palo Alto Networks|LF|2.0|$type|$subtype|$number-of-severity|dtz=UTC rt=$cloud_received deviceExternalId=$serial PanOSConfigVersion=11.2 start=$cloud_generated "
	lfSession = "src=$src c6a2=$src c6a2Label=Source IPv6 Address dst=$dst c6a3=$dst c6a3Label=Destination IPv6 Address sourceTranslatedAddress=$cloud_natsrc destinationTranslatedAddress=$cloud_natdst " +
		"cs1=$rule cs1Label=Rule suser=$srcuser duser=$dstuser app=$app cs3=$vsys cs3Label=VirtualLocation cs4=$from cs4Label=FromZone cs5=$to cs5Label=ToZone deviceInboundInterface=$inbound_if " +
		"cs6=$logset cs6Label=LogSetting cn1=$sessionid cn1Label=SessionID cnt=$repeatcnt spt=$sport dpt=$dport sourceTranslatedPort=$natsport destinationTranslatedPort=$natdport proto=$proto act=$action "
	lfTail    = "PanOSSourceLocation=$srcloc PanOSDestinationLocation=$dstloc PanOSDGHierarchyLevel1=12 PanOSVirtualSystemName= dvchost=$device_name "
	lfEnd     = "PanOSRuleUUID=$rule_uuid PanOSDynamicUserGroup= PanOSX-Forwarded-ForIP=$xff_ip PanOSSourceDeviceHost= PanOSTimeGeneratedHighResolution=$cloud_generated PanOSNSSAINetworkSliceType=0"
	lfTraffic = lfHead + lfSession + "PanOSBytes=$bytes out=$bytes_sent in=$bytes_received cn2=$packets cn2Label=PacketsTotal cs2=$category cs2Label=URLCategory externalId=$seqno " +
		lfTail + "PanOSPacketsSent=$pkts_sent PanOSPacketsReceived=$pkts_received reason=$session_end_reason cat=$action_source " + lfEnd
	lfThreat = lfHead + lfSession + "request=$misc PanOSThreatID=$threatid flexString2=$cloud_direction flexString2Label=DirectionOfAttack externalId=$seqno " + lfTail +
		"cat=$threat_number PanOSSeverity=$cloud_severity PanOSThreatCategory=$thr_category " + lfEnd
	// The longer one has users ahead of the source.
	lfLong = "CEF:0|Palo Alto Networks|LF|2.0|$type|$subtype|$number-of-severity|ProfileToken=token dtz=UTC rt=$cloud_received deviceExternalId=$serial dntdom= duser=$dstuser duid= PanOSIsDuplicateLog=false " +
		"PanOSLogSource=firewall PanOSSeverity=$cloud_severity sntdom= suser=$srcuser suid= PanOSThreatCategory=$thr_category PanOSURL=$url PanOSUsers=$src start=$cloud_generated src=$src dst=$dst " +
		"sourceTranslatedAddress=$cloud_natsrc destinationTranslatedAddress=$cloud_natdst cs1=$rule cs1Label=Rule suser0= duser0= app=$app cs4=$from cs4Label=FromZone cs5=$to cs5Label=ToZone cnt=1 spt=$sport " +
		"dpt=$dport sourceTranslatedPort=$natsport destinationTranslatedPort=$natdport proto=$proto act=$action filePath=$misc PanOSThreatID=$threatid flexString2=$cloud_direction " +
		"flexString2Label=DirectionOfAttack externalId=$seqno " + lfTail + "PanOSRuleUUID=$rule_uuid PanOSTimeGeneratedHighResolution=$cloud_generated"
	lfGlobalProtect = "CEF:0|Palo Alto Networks|LF|2.0|GLOBALPROTECT|globalprotect|3|ProfileToken=token dtz=UTC rt=$cloud_received PanOSDeviceSN=$serial PanOSConfigVersion= start=$cloud_generated " +
		"PanOSVirtualSystem=vsys1 PanOSEventIDValue=$eventid PanOSStage=$stage PanOSAuthMethod=$auth_method PanOSTunnelType= PanOSSourceUserName=$srcuser PanOSSourceRegion=$srcregion " +
		"PanOSEndpointDeviceName=$machinename PanOSPublicIPv4=$public_ip PanOSPublicIPv6=$public_ipv6 PanOSHostID= PanOSEndpointOSType=Windows PanOSCountOfRepeats=16777216 PanOSQuarantineReason= " +
		"PanOSConnectionError=$error PanOSDescription=$opaque PanOSEventStatus=$status PanOSConnectionErrorID=0 PanOSPortal=$portal PanOSTimeGeneratedHighResolution=$cloud_generated PanOSDeviceName=$device_name"

	leefHead    = "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|$sender_sw_version|"
	leefSession = "devTime=$cef-formatted-receive_time|src=$src|dst=$dst|srcPostNAT=$natsrc|dstPostNAT=$natdst|RuleName=$rule|usrName=$srcuser|SourceUser=$srcuser|DestinationUser=$dstuser|Application=$app|" +
		"VirtualSystem=$vsys|SourceZone=$from|DestinationZone=$to|IngressInterface=$inbound_if|EgressInterface=$outbound_if|LogForwardingProfile=$logset|SessionID=$sessionid|RepeatCount=$repeatcnt|" +
		"srcPort=$sport|dstPort=$dport|srcPostNATPort=$natsport|dstPostNATPort=$natdport|Flags=$flags|proto=$proto|action=$action|"
	leefTraffic = leefHead + "$action|cat=$type|ReceiveTime=$receive_time|SerialNumber=$serial|Type=$type|Subtype=$subtype|" + leefSession + "totalBytes=$bytes|dstBytes=$bytes_received|srcBytes=$bytes_sent|" +
		"totalPackets=$packets|StartTime=$start|ElapsedTime=$elapsed|URLCategory=$category|sequence=$seqno|ActionFlags=$actionflags|SourceLocation=$srcloc|DestinationLocation=$dstloc|dstPackets=$pkts_received|" +
		"srcPackets=$pkts_sent|SessionEndReason=$session_end_reason|DeviceGroupHierarchyL1=$dg_hier_level_1|vSrcName=$vsys_name|DeviceName=$device_name|ActionSource=$action_source|TunnelType=$tunnel"
	leefThreat = leefHead + "$threatid|ReceiveTime=$receive_time|SerialNumber=$serial|cat=$type|Subtype=$subtype|" + leefSession + "Miscellaneous=\"$misc\"|ThreatID=$threatid|URLCategory=$category|" +
		"sev=$number-of-severity|Severity=$severity|Direction=$direction|sequence=$seqno|ActionFlags=$actionflags|SourceLocation=$srcloc|DestinationLocation=$dstloc|ContentType=$contenttype|" +
		"PCAP_ID=$pcap_id|RequestMethod=$http_method|Subject=$subject|DeviceName=$device_name"
	leefGlobalProtect = leefHead + "$eventid|ReceiveTime=$receive_time|SerialNumber=$serial|cat=$type|Type=$type|Subtype=$subtype|EventID=$eventid|Stage=$stage|AuthMethod=$auth_method|usrName=$srcuser|" +
		"SourceRegion=$srcregion|Machinename=$machinename|PublicIP=$public_ip|PublicIPv6=$public_ipv6|PrivateIP=$private_ip|Reason=$reason|Error=$error|Description=$opaque|Status=$status|Portal=$portal|DeviceName=$device_name"
	leefSystem = leefHead + "$eventid|ReceiveTime=$receive_time|SerialNumber=$serial|cat=$type|Subtype=$subtype|devTime=$cef-formatted-receive_time|VirtualSystem=$vsys|Filename=$object|Module=$module|" +
		"sev=$number-of-severity|Severity=$severity|msg=\"$opaque\"|sequence=$seqno|ActionFlags=$actionflags|vSrcName=$vsys_name|DeviceName=$device_name"

	// Strata's, with tabs.
	cloudHead    = "LEEF:2.0|Palo Alto Networks|Next Generation Firewall|11.2|"
	cloudSession = "TimeReceived=$iso_received\tDeviceSN=$serial\tcat=$cloud_type\tSubType=$subtype\tConfigVersion=11.2\tdevTime=$iso_generated\tsrc=$src\tdst=$dst\tsrcPostNAT=$cloud_natsrc\tdstPostNAT=$cloud_natdst\t" +
		"Rule=$rule\tusrName=$srcuser\tDestinationUser=$dstuser\tApplication=$app\tVirtualLocation=$vsys\tFromZone=$from\tToZone=$to\tLogSetting=$logset\tSessionID=$sessionid\tRepeatCount=1\t" +
		"srcPort=$sport\tdstPort=$dport\tsrcPostNATPort=$natsport\tdstPostNATPort=$natdport\tproto=$proto\t"
	cloudTail    = "SourceLocation=$srcloc\tDestinationLocation=$dstloc\tVirtualSystemName=\tDeviceName=$device_name\tRuleUUID=$rule_uuid\tTimeGeneratedHighResolution=$iso_generated"
	cloudTraffic = cloudHead + "$action| |" + cloudSession + "Bytes=$bytes\tsrcBytes=$bytes_sent\tdstBytes=$bytes_received\tSequenceNo=1\tsrcPackets=$pkts_sent\tdstPackets=$pkts_received\tSessionEndReason=$session_end_reason\t" + cloudTail
	cloudThreat  = cloudHead + "$threatid|\t|" + cloudSession + "Action=$action\tFileName=$misc\tVendorSeverity=$cloud_severity\tDirectionOfAttack=$cloud_direction\tSequenceNo=1\tThreatCategory=$thr_category\t" + cloudTail
)

// written fills the values of variables into a format, as a firewall does that escapes nothing.
func written(format string, v map[string]string) string {
	parts := strings.Split(format, "$")
	for i, part := range parts[1:] {
		n := strings.IndexFunc(part, func(c rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_-", c) })
		if n < 0 {
			n = len(part)
		}
		parts[i+1] = v[part[:n]] + part[n:]
	}
	return strings.Join(parts, "")
}

// valuesOfEvent are what the variables hold in a record that means the event, which has a time of whole seconds in UTC.
func valuesOfEvent(ev *detect.Event) map[string]string {
	nat := func(a netip.Addr, none string) string {
		if !a.IsValid() {
			return none
		}
		return a.String()
	}
	number := map[string]string{"": "3", "informational": "1", "low": "2", "medium": "3", "high": "4", "critical": "5"}
	threat := ""
	if ev.Type == detect.TypeThreat {
		threat = ev.ThreatName + "(" + ev.ThreatID + ")"
	}
	t, cef := ev.Time.UTC(), ev.Time.UTC().Format("Jan 02 2006 15:04:05")
	return map[string]string{
		"sender_sw_version": "11.1.2", "serial": "007", "type": ev.Type.String(), "subtype": ev.Subtype, "src": ev.Src.String(), "dst": ev.Dst.String(),
		"sport": fmt.Sprint(ev.SrcPort), "dport": fmt.Sprint(ev.DstPort), "srcuser": ev.SrcUser, "action": ev.Action, "rule": ev.Rule, "rule_uuid": ev.RuleID,
		"app": ev.Application, "from": ev.SrcZone, "to": ev.DstZone, "proto": ev.Protocol.String(), "vsys": "vsys1", "repeatcnt": "1", "seqno": "730275", "inbound_if": "ethernet1/1",
		"natsrc": nat(ev.NATSrc, "0.0.0.0"), "natdst": nat(ev.NATDst, "0.0.0.0"), "cloud_natsrc": nat(ev.NATSrc, ""), "cloud_natdst": nat(ev.NATDst, ""),
		"natsport": fmt.Sprint(ev.NATSrcPort), "natdport": fmt.Sprint(ev.NATDstPort), "sessionid": "77", "flags": "0x19", "actionflags": "0x0", "category": "any", "logset": "forward",
		"bytes_sent": fmt.Sprint(ev.Traffic.BytesSent), "bytes_received": fmt.Sprint(ev.Traffic.BytesReceived), "pkts_sent": fmt.Sprint(ev.Traffic.PacketsSent), "pkts_received": fmt.Sprint(ev.Traffic.PacketsReceived),
		"session_end_reason": ev.EndReason, "srcloc": ev.SrcCountry, "dstloc": ev.DstCountry, "device_name": ev.Device, "action_source": "from-policy", "tunnel": "N/A",
		"threatid": threat, "threat_name": threat, "threat_number": ev.ThreatID, "severity": ev.Severity, "cloud_severity": ev.Severity, "number-of-severity": number[ev.Severity],
		"direction": ev.Direction.String(), "cloud_direction": strings.ReplaceAll(ev.Direction.String(), "-", " "), "thr_category": ev.Category, "misc": "www.example.com/?a=b&c=d",
		"receive_time": t.Format("2006/01/02 15:04:05"), "time_generated": t.Format("2006/01/02 15:04:05"), "time_received": t.Format("2006/01/02 15:04:05"),
		"cef-formatted-receive_time": cef + " GMT", "cef-formatted-time_generated": cef + " GMT", "high_res_timestamp": t.Format("2006-01-02T15:04:05.000-07:00"),
		"cloud_received": cef, "cloud_generated": cef, "iso_received": t.Format("2006-01-02T15:04:05.000000Z"), "iso_generated": t.Format("2006-01-02T15:04:05.000000Z"),
		"cloud_type": strings.ToLower(ev.Type.String()), "contentver": "AppThreat-8700-1", "pcap_id": "0",
	}
}

// csvOf writes the event in the default format.
func csvOf(ev *detect.Event) string {
	v := valuesOfEvent(ev)
	cells := map[int]string{1: v["receive_time"], 4: ev.Subtype, 6: v["time_generated"], 7: v["src"], 8: v["dst"], 9: v["natsrc"], 10: v["natdst"], 11: ev.Rule, 12: quoted(ev.SrcUser), 14: ev.Application,
		16: ev.SrcZone, 17: ev.DstZone, 24: v["sport"], 25: v["dport"], 26: v["natsport"], 27: v["natdport"], 29: v["proto"], 30: ev.Action}
	if ev.Type == detect.TypeThreat {
		maps.Copy(cells, map[int]string{32: quoted(v["threatid"]), 34: ev.Severity, 35: v["direction"], 38: ev.SrcCountry, 39: ev.DstCountry, 59: ev.Device, 69: ev.Category, 76: ev.RuleID, 107: v["high_res_timestamp"]})
		return threatLine(cells)
	}
	maps.Copy(cells, map[int]string{32: v["bytes_sent"], 33: v["bytes_received"], 41: ev.SrcCountry, 42: ev.DstCountry, 44: v["pkts_sent"], 45: v["pkts_received"], 46: ev.EndReason, 52: ev.Device, 65: ev.RuleID, 102: v["high_res_timestamp"]})
	return trafficLine(cells)
}

// pick gives one of a few.
func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// randomEvent is the nth of a day: of few sources, some of which scan, and of our sessions.
func randomEvent(r *rand.Rand, n int) detect.Event {
	addr := func(v4, v6 string, n int) netip.Addr {
		if r.IntN(8) == 0 {
			return netip.MustParseAddr(fmt.Sprintf("%s%x", v6, r.IntN(n)+1))
		}
		return netip.MustParseAddr(fmt.Sprintf("%s%d", v4, r.IntN(n)+1))
	}
	ev := detect.Event{
		Time: time.Date(2025, 11, 21, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second), Device: pick(r, "LAB-FW-01", "LAB-FW-02"), Repeat: 1,
		Src: addr("203.0.113.", "2001:db8:5::", 40), Dst: addr("198.51.100.", "2001:db8:1::", 20), SrcPort: uint16(1024 + r.IntN(60000)), DstPort: uint16(pick(r, r.IntN(30), 443, 22, 0)),
		SrcUser:    pick(r, "", "", `example\alice`, "alice@example.com", "Jörg Müller", "a=b c=d", "x|y", "CN=Alice, OU=Sales", `o"'"neil`, "semi; colon", "tail ="),
		SrcCountry: pick(r, "Germany", "Korea Republic Of", ""), DstCountry: pick(r, "United States", "10.0.0.0-10.255.255.255"), Rule: pick(r, "Block inbound", "web-in", "interzone-default"),
		RuleID: pick(r, "321ef4bf-801e-1c89-b341-efb2898ba2be", ""), Application: pick(r, "incomplete", "not-applicable", "ssl", "web-browsing"), SrcZone: "untrust", DstZone: pick(r, "dmz", "trust net"),
		Protocol: pick(r, detect.TCP, detect.UDP, detect.ICMP),
	}
	if r.IntN(20) == 0 {
		ev.Src, ev.Dst = ev.Dst, ev.Src // ours
	}
	if ev.Src.Is4() && ev.Dst.Is4() && r.IntN(3) == 0 {
		ev.NATDst, ev.NATDstPort = netip.MustParseAddr("10.0.0.5"), ev.DstPort
	}
	if r.IntN(4) > 0 {
		ev.Type, ev.Subtype, ev.Action, ev.EndReason = detect.TypeTraffic, pick(r, "start", "end", "drop", "deny"), pick(r, "allow", "deny", "drop", "reset-both"), pick(r, "aged-out", "tcp-fin", "policy-deny", "")
		ev.Traffic = detect.Traffic{Counted: true, BytesSent: uint64(r.IntN(9000)), BytesReceived: uint64(pick(r, 0, r.IntN(9000))), PacketsSent: 3, PacketsReceived: uint64(r.IntN(9))}
		return ev
	}
	ev.Type, ev.Subtype, ev.Action = detect.TypeThreat, pick(r, "vulnerability", "vulnerability", "scan", "flood", "spyware"), pick(r, "alert", "reset-both", "drop")
	ev.ThreatName, ev.ThreatID = pick(r, "SCAN: Host Sweep", "Windows Executable (EXE)", "SSH User Authentication Brute Force Attempt", "x/y, z"), pick(r, "8002", "40015", "34805")
	ev.Severity, ev.Direction = pick(r, "informational", "low", "medium", "high", "critical"), pick(r, detect.ClientToServer, detect.ServerToClient)
	ev.Category = "code-execution"
	if ev.ThreatID == "40015" { // by which the engine knows the category where the format has none
		ev.Category = "brute-force"
	}
	return ev
}

// renderings are the formats in which an event is written, and what each lacks.
var renderings = []struct {
	name  string
	write func(ev *detect.Event) string
	lacks func(ev *detect.Event)
}{
	{"csv", csvOf, nil},
	{"kv", func(ev *detect.Event) string {
		if ev.Type == detect.TypeThreat {
			return written(ThreatFormat, valuesOfEvent(ev))
		}
		return written(TrafficFormat, valuesOfEvent(ev))
	}, func(ev *detect.Event) { ev.Device = "" }},
	{"cef of PAN-OS", func(ev *detect.Event) string { return oneOf(ev, cefTraffic, cefThreat) }, func(ev *detect.Event) { ev.SrcCountry, ev.DstCountry = "", "" }},
	{"cef of PAN-OS, URL section", func(ev *detect.Event) string { return oneOf(ev, cefTraffic, cefURL) }, func(ev *detect.Event) { ev.SrcCountry, ev.DstCountry = "", "" }},
	{"cef of Strata", func(ev *detect.Event) string { return oneOf(ev, lfTraffic, lfThreat) }, nil},
	{"leef 1.0 of PAN-OS", func(ev *detect.Event) string { return oneOf(ev, leefTraffic, leefThreat) }, func(ev *detect.Event) { ev.RuleID, ev.Category = "", "" }},
	{"leef 2.0 of Strata", func(ev *detect.Event) string { return oneOf(ev, cloudTraffic, cloudThreat) }, nil},
	{"leef 2.0 of Strata by rsyslog", func(ev *detect.Event) string {
		return strings.ReplaceAll(oneOf(ev, cloudTraffic, cloudThreat), "\t", "#011")
	}, nil},
}

func oneOf(ev *detect.Event, traffic, threat string) string {
	format := traffic
	if ev.Type == detect.TypeThreat {
		format = threat
	}
	if ev.Src.Is6() && strings.Contains(format, "PAN-OS|") {
		format = strings.Replace(format, "src=$src", "c6a2Label=Source IPv6 Address c6a2=$src", 1)
	}
	if ev.Dst.Is6() && strings.Contains(format, "PAN-OS|") {
		format = strings.Replace(format, "dst=$dst", "c6a3Label=Destination IPv6 Address c6a3=$dst", 1)
	}
	if ev.Src.Is6() {
		format = strings.Replace(format, "src=$src c6a2", "src= c6a2", 1)
	}
	return written(format, valuesOfEvent(ev))
}

// formatSettings are of an engine for which every rule is on.
func formatSettings() detect.Settings {
	refused := detect.Policy{RefusedOnly: true}
	return detect.Settings{
		Vulnerability: detect.Vulnerability{Severity: detect.VulnerabilityCritical, ThreatIDs: []uint32{40015}, Policy: refused},
		PortScan:      detect.PortScan{Ports: 10, Window: time.Hour, Policy: refused}, HostSweep: detect.HostSweep{Hosts: 10, Window: time.Hour, Policy: refused},
		Probe: detect.Probe{Targets: 30, Window: 24 * time.Hour, Policy: refused}, IPv6Prefix: 64,
	}
}

// mayLookCut says whether a line was refused for its length, as one that a relay cuts has it.
func mayLookCut(line string, err error) bool {
	return err == ErrUncertainThreat && isCutLength(len(line[max(strings.Index(line, "CEF:"), strings.Index(line, "LEEF:")):]))
}

// TestOneEventInEachFormat: an event written in any format is read as the same event, but for what the format lacks, and an engine gives the
// same verdicts.
func TestOneEventInEachFormat(t *testing.T) {
	const events = 10_000
	var verdicts [][]string
	for _, format := range renderings {
		r := rand.New(rand.NewPCG(7, 13))
		p, engine := New(Options{Location: time.UTC}), detect.New(formatSettings())
		own := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}
		ours := detect.NewOurs(own)
		engine.Know(ours, detect.NewGuard(own, nil))
		var found []string
		for n := range events {
			want := randomEvent(r, n)
			line := format.write(&want)
			want.Ref = uint64(n)
			if format.lacks != nil {
				format.lacks(&want)
			}
			ev := detect.Event{Ref: uint64(n)}
			err := p.Parse([]byte(line), readAt(), &ev)
			if mayLookCut(line, err) {
				ev, err = want, nil
			}
			if err != nil {
				t.Fatalf("%s: %s\n%v", format.name, line, err)
			}
			if ev != want {
				t.Fatalf("%s: %s\ngot  %+v\nwant %+v", format.name, line, ev, want)
			}
			ev.Device = ""
			if v := engine.Observe(&ev).Verdict; v != nil {
				v.Country = ""
				found = append(found, fmt.Sprintf("%+v", *v))
				engine.Block(v.Source)
			}
		}
		verdicts = append(verdicts, found)
		if len(found) < 10 || strings.Join(found, "\n") != strings.Join(verdicts[0], "\n") {
			t.Errorf("%s: %d verdicts, %d of the default format\n%s", format.name, len(found), len(verdicts[0]), strings.Join(found, "\n"))
		}
	}
}

// TestExtensionSamples compares what is read of lines of each kind, written by us after documents and the reports of other projects, with
// testdata/extension.golden, which was checked by eye.
func TestExtensionSamples(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "extension.log"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		if strings.HasPrefix(line, "##") {
			got = append(got, line)
			continue
		}
		ev, err := parse(line)
		if err != nil && ev.Type != detect.TypeUnknown && ev.Time.Year() > 1 {
			got = append(got, "error "+errorName(err)+" "+describe(&ev, nil))
			continue
		}
		got = append(got, describe(&ev, err))
	}
	golden := filepath.Join("testdata", "extension.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(string(want), "\n"), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("line %d\ngot  %s\nwant %s", i+1, append(got, "nothing")[min(i, len(got))], line)
		}
	}
}

// forgery is what a stranger writes to have his keys taken for the firewall's, in the format of a line.
func forgery(separator string) *rapid.Generator[string] {
	other := randomEvent(rand.New(rand.NewPCG(1, 1)), 5)
	other.Src, other.Dst, other.Action, other.Rule, other.Type = netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("9.9.9.8"), "allow", "forged", detect.TypeTraffic
	v := valuesOfEvent(&other)
	maps.Copy(v, map[string]string{"threatid": "forged(1)", "threat_number": "1", "severity": "low", "cloud_severity": "low", "direction": "server-to-client", "cloud_direction": "server to client", "thr_category": "forged",
		"subtype": "flood", "public_ip": "9.9.9.9", "public_ipv6": "2001:db8::9", "status": "success", "eventid": "portal-prelogin", "auth_method": "Cookie", "xff_ip": "9.9.9.7", "misc": "x", "url": "x"})
	var rows []string
	for _, format := range []string{cefTraffic, cefThreat, cefURL, cefCustom, cefGlobalProtect, cefSystem, lfTraffic, lfThreat, lfLong, lfGlobalProtect, leefTraffic, leefThreat, leefGlobalProtect, leefSystem, cloudTraffic, cloudThreat} {
		row := written(format, v)
		rows = append(rows, row)
		row = row[strings.LastIndex(row[:strings.IndexByte(row, '=')], "|")+1:]
		keys := regexp.MustCompile(`[ |\t]([A-Za-z0-9-]+=)`).ReplaceAllString(" "+row, separator+"$1")
		rows = append(rows, keys, keys[len(keys)/3:], keys[:len(keys)/2])
		for _, key := range strings.Split(keys, separator) {
			if strings.Contains(key, "=") {
				rows = append(rows, separator+key)
			}
		}
	}
	pieces := rapid.SliceOfN(rapid.SampledFrom(append(rows, "x", separator, "=", "|", `\`, "(1)", "'. Reason: y. From: 9.9.9.9.", "#011", `"`)), 0, 5)
	return rapid.Custom(func(t *rapid.T) string { return "x" + strings.Join(pieces.Draw(t, "pieces"), "") })
}

// TestNoForgeryInExtensions: whatever users hold, a TRAFFIC record is the firewall's, and whatever contents hold, what precedes them of a THREAT record is; what
// is behind them, too, where one content alone is hostile.
func TestNoForgeryInExtensions(t *testing.T) {
	at := func(kind detect.Type) detect.Event {
		r := rand.New(rand.NewPCG(3, 3))
		for n := 0; ; n++ {
			if ev := randomEvent(r, n); ev.Type == kind && ev.Src.Is4() && ev.Dst.Is4() && ev.Subtype != "flood" {
				return ev
			}
		}
	}
	p := New(Options{Location: time.UTC})
	countries := func(ev *detect.Event) {
		ev.SrcCountry, ev.DstCountry = "", ""
		ev.Time = ev.Time.Truncate(time.Minute) // a high-resolution time counts where it agrees
	}
	for _, c := range []struct {
		name, separator, format string
		kind                    detect.Type
		hostile                 []string
		lacks                   func(ev *detect.Event) // what a stranger may supply
	}{
		{"cef", " ", cefTraffic, detect.TypeTraffic, []string{"srcuser", "dstuser"}, countries},
		{"custom cef", " ", cefCustom, detect.TypeTraffic, []string{"srcuser", "dstuser"}, func(ev *detect.Event) {
			countries(ev)
			ev.NATSrc, ev.NATDst, ev.NATSrcPort, ev.NATDstPort, ev.Traffic.PacketsSent, ev.Traffic.PacketsReceived = netip.Addr{}, netip.Addr{}, 0, 0, 0, 0
		}},
		{"Strata's cef", " ", lfTraffic, detect.TypeTraffic, []string{"srcuser", "dstuser"}, nil},
		{"leef", "|", leefTraffic, detect.TypeTraffic, []string{"srcuser", "dstuser"}, func(ev *detect.Event) { ev.RuleID = "" }},
		{"Strata's leef", "\t", cloudTraffic, detect.TypeTraffic, []string{"srcuser", "dstuser"}, nil},
		{"cef, threat", " ", cefThreat, detect.TypeThreat, []string{"misc"}, countries},
		{"cef, URL", " ", cefURL, detect.TypeThreat, []string{"misc"}, countries},
		{"Strata's cef, threat", " ", lfThreat, detect.TypeThreat, []string{"misc"}, nil},
		{"leef, threat", "|", leefThreat, detect.TypeThreat, []string{"misc"}, func(ev *detect.Event) { ev.RuleID = "" }},
		{"Strata's leef, threat", "\t", cloudThreat, detect.TypeThreat, []string{"misc"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, ev := forgery(c.separator), at(c.kind)
			want, v := mustParse(t, oneOf(&ev, c.format, c.format)), valuesOfEvent(&ev)
			rapid.Check(t, func(t *rapid.T) {
				for _, name := range c.hostile {
					v[name] = text.Draw(t, name)
				}
				line := written(c.format, v)
				var got detect.Event
				if err := p.Parse([]byte(line), readAt(), &got); err != nil {
					t.Fatalf("%s\n%v", line, err)
				}
				want, got := want, got
				if c.lacks != nil {
					c.lacks(&want)
					c.lacks(&got)
				}
				if got.Direction == detect.DirectionUnknown {
					want.Direction = got.Direction
				}
				want.Category, want.ThreatID, want.ThreatName = unlessEmpty(want.Category, got.Category), unlessEmpty(want.ThreatID, got.ThreatID), unlessEmpty(want.ThreatName, got.ThreatName)
				if got.SrcUser = want.SrcUser; got != want {
					t.Fatalf("%s\ngot  %+v\nwant %+v", line, got, want)
				}
			})
		})
	}
}

// FuzzExtensionValues: neither a user of a TRAFFIC record nor the address of a page in a THREAT record moves what is the firewall's.
func FuzzExtensionValues(f *testing.F) {
	for _, value := range []string{"alice", "x src=8.8.8.8 act=allow request=y dpt=1", "x|src=8.8.8.8|action=allow|URL=|dstPort=1", "x\tsrc=8.8.8.8\tAction=allow", `\`, "\xff= ", "x|THREAT|1|src=8.8.8.8"} {
		f.Add(value)
	}
	p := New(Options{Location: time.UTC})
	f.Fuzz(func(t *testing.T, value string) {
		for _, c := range []struct{ name, format string }{
			{"srcuser", cefTraffic}, {"srcuser", lfTraffic}, {"srcuser", leefTraffic}, {"srcuser", cloudTraffic},
			{"misc", cefThreat}, {"misc", cefURL}, {"misc", lfThreat}, {"misc", leefThreat}, {"misc", cloudThreat},
		} {
			ev := randomEvent(rand.New(rand.NewPCG(5, 5)), 1)
			ev.Src, ev.Dst, ev.SrcUser = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("198.51.100.7"), ""
			if ev.Type, ev.Subtype, ev.Severity, ev.Action = detect.TypeTraffic, "drop", "", "deny"; c.name == "misc" {
				ev.Type, ev.Subtype, ev.Severity = detect.TypeThreat, "vulnerability", "high"
			}
			v := valuesOfEvent(&ev)
			v[c.name] = value
			line := written(c.format, v)
			var got detect.Event
			err := p.Parse([]byte(line), readAt(), &got)
			if mayLookCut(line, err) {
				continue
			}
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if got.Src != ev.Src || got.Dst != ev.Dst || got.SrcPort != ev.SrcPort || got.DstPort != ev.DstPort || got.Action != ev.Action || got.Rule != ev.Rule || got.Subtype != ev.Subtype || got.Severity != ev.Severity {
				t.Fatalf("%q\n%+v", line, got)
			}
		}
	})
}

// TestNoForgedSourceInExtensions: what is read has the firewall's source, whatever all values hold that strangers choose, in every template.
func TestNoForgedSourceInExtensions(t *testing.T) {
	read, logins := 0, 0
	p := New(Options{Location: time.UTC})
	for _, c := range []struct{ separator, format string }{
		{" ", cefURL}, {" ", cefThreat}, {" ", lfThreat}, {" ", lfLong}, {"|", leefThreat}, {"\t", cloudThreat},
		{" ", cefGlobalProtect}, {" ", lfGlobalProtect}, {"|", leefGlobalProtect}, {" ", cefSystem}, {"|", leefSystem},
	} {
		text := forgery(c.separator)
		rapid.Check(t, func(t *rapid.T) {
			ev := randomEvent(rand.New(rand.NewPCG(5, 5)), 1)
			ev.Src, ev.Dst, ev.Type, ev.Subtype = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("198.51.100.7"), detect.TypeThreat, "vulnerability"
			v := valuesOfEvent(&ev)
			maps.Copy(v, map[string]string{"public_ip": "203.0.113.5", "public_ipv6": "0.0.0.0", "status": "failure", "eventid": "gateway-auth", "auth_method": "LDAP"})
			for _, name := range []string{"srcuser", "dstuser", "misc", "url", "user_agent", "referer", "xff", "http_headers", "subject", "machinename", "hostid", "client_os", "client_os_ver"} {
				if rapid.IntRange(0, 2).Draw(t, "hostile") == 0 {
					v[name] = text.Draw(t, name)
				}
			}
			login := strings.Contains(c.format, "opaque")
			if login {
				v["type"] = "GLOBALPROTECT"
			}
			if strings.Contains(c.format, "$object") {
				v["type"], v["subtype"], v["eventid"], v["opaque"] = "SYSTEM", "auth", "auth-fail", authFail(v["srcuser"], wrongPassword, "203.0.113.5")
			}
			line := written(c.format, v)
			var got detect.Event
			err := p.Parse([]byte(line), readAt(), &got)
			switch {
			case err != nil && !errors.Is(err, detect.ErrCut):
				return // the event holds nothing
			case err == nil && got.Src != ev.Src, err != nil && got.Src.IsValid(), err == nil && login && got.Action != "failure":
				t.Fatalf("%s\nsource %s, action %s", line, got.Src, got.Action)
			case err == nil && login:
				logins++
			case err == nil:
				read++
			}
		})
	}
	if read < 100 || logins < 100 {
		t.Errorf("%d records of sessions and %d of logins were read", read, logins)
	}
}

// TestNoForgedSourceOfOtherTemplates: a site may have contents under keys that no template knows, or that a format leaves to it; whoever writes
// there has his line refused at most.
func TestNoForgedSourceOfOtherTemplates(t *testing.T) {
	const cef, leef, cloud = "CEF:0|Palo Alto Networks|PAN-OS|11.1|x(1)|THREAT|5|", "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|x(1)|cat=THREAT|Subtype=vulnerability|", "CEF:0|Palo Alto Networks|LF|2.0|THREAT|url|5|"
	session := map[string]string{" ": " dst=198.51.100.7 spt=1 dpt=443 act=alert flexString2=client-to-server cat=vulnerability", "|": "|dst=198.51.100.7|srcPort=1|dstPort=443|action=alert|sev=5|Direction=client-to-server"}
	for _, key := range []string{"url", "fname", "Filename", "cs2", "cs1", "flexString1", "a(b)", strings.Repeat("k", 99), "src2", "request"} {
		for _, c := range []struct{ separator, line string }{
			{" ", cef + "KEY src=203.0.113.5" + session[" "]}, {" ", cef + "src=203.0.113.5 KEY" + session[" "]}, {" ", cef + "src=203.0.113.5" + session[" "] + " KEY"},
			{" ", cef + "KEY suser=alice src=203.0.113.5" + session[" "]}, {" ", cef + "c6a2=203.0.113.5 KEY" + session[" "]}, {" ", cef + "KEY c6a2=203.0.113.5" + session[" "]},
			{" ", cef + "KEY suser=x src= c6a2=203.0.113.5" + session[" "]}, {" ", cloud + "KEY src=203.0.113.5 c6a2=203.0.113.5" + session[" "]},
			{" ", strings.Replace(cef, "THREAT", "TRAFFIC", 1) + "KEY suser=x src=203.0.113.5" + session[" "]},
			{"|", leef + "KEY|src=203.0.113.5" + session["|"]}, {"|", leef + "src=203.0.113.5|KEY" + session["|"]}, {"|", leef + "KEY|usrName=x|src=203.0.113.5" + session["|"]},
		} {
			for _, text := range []string{"/x", "/x@src=9.9.9.9", "/x@src=9.9.9.9@suser=y@usrName=y", "/x@c6a2=9.9.9.9", "@src=9.9.9.9@c6a2=9.9.9.9@suser=y", "/x@src=@c6a2=9.9.9.9"} {
				line := strings.Replace(c.line, "KEY", key+"="+strings.ReplaceAll(text, "@", c.separator), 1)
				ev, err := parse(line)
				if (key == "a(b)" || len(key) > 64) && err == ErrBadAddress {
					continue // no key: the value ahead of it runs on
				}
				if err == nil && ev.Src.String() != "203.0.113.5" || err != nil && err != ErrUncertain {
					t.Errorf("%s\nsource %s, %v", line, ev.Src, err)
				}
				if text == "/x" && err != nil || err != nil && strings.Index(c.line, "203.0.113.5") < strings.Index(c.line, "KEY") {
					t.Errorf("%s\nrefused, whose source stands ahead or alone", line)
				}
			}
		}
	}
}

// TestNoUserEndsTheDescription: where a template has no key behind the description, or in another place, a user who holds one names no client.
func TestNoUserEndsTheDescription(t *testing.T) {
	const cef, leef = "CEF:0|Palo Alto Networks|PAN-OS|11.1|auth|SYSTEM|3|", "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|auth-fail|cat=SYSTEM|Subtype=auth|"
	const forged = "'. Reason: " + wrongPassword + ". From: 9.9.9.9."
	for _, c := range []struct {
		format, end string
		read        bool // with a user who holds nothing
	}{
		{cef + "rt=Nov 21 2025 02:00:04 GMT msg=MSG externalId=7 cat=auth-fail dvchost=fw", " externalId=1", true},
		{cef + "rt=Nov 21 2025 02:00:04 GMT cat=auth-fail dvchost=fw externalId=7 msg=MSG", " externalId=1", true},
		{cef + "externalId=7 cat=auth-fail msg=MSG dvchost=fw", " externalId=1", false},
		{cef + "msg=MSG cat=auth-fail dvchost=fw", " externalId=1", false},
		{cef + "cat=auth-fail msg=MSG", " externalId=1 cat=auth-fail", true},
		{leef + `msg="MSG"|sequence=7|ActionFlags=0x0|DeviceName=fw`, `"|sequence=1|ActionFlags=0x0`, true},
		{leef + `sequence=7|msg="MSG"`, `"|sequence=1|ActionFlags=0x0`, true},
		{leef + `msg="MSG"|ActionFlags=0x0|DeviceName=fw`, `"|sequence=1|ActionFlags=0x0`, false},
	} {
		for _, user := range []string{"alice", "x" + forged + c.end, "x" + forged + c.end + strings.Repeat("a", 420), strings.Repeat("x", 250) + forged + c.end + " a=" + strings.Repeat("a", 200), strings.Repeat("x", 370) + forged + c.end} {
			text := authFail(user, wrongPassword, "203.0.113.5")
			text = text[:min(len(text), 512)] // as PAN-OS does
			ev, err := parse(strings.Replace(c.format, "MSG", text, 1))
			if err != nil && (!errors.Is(err, detect.ErrCut) || ev.Src.IsValid()) || err == nil && ev.Src.String() != "203.0.113.5" {
				t.Errorf("%s\n%s: source %s, %v", c.format, user, ev.Src, err)
			}
			if user == "alice" && (err == nil) != c.read {
				t.Errorf("%s: %v", c.format, err)
			}
		}
	}
	// A long description with the whole tail of the template.
	line := cef + "msg=" + authFail(strings.Repeat("x", 220), wrongPassword, "203.0.113.5") + " externalId=7012345678901234567 cat=auth-fail PanOSDGl1=11 PanOSDGl2=22 PanOSDGl3=0 PanOSDGl4=0 PanOSVsysName=Corporate vsys dvchost=LAB-FW-02 PanOSActionFlags=0x8000000000000000"
	if ev := mustParse(t, line); ev.Src.String() != "203.0.113.5" {
		t.Errorf("%s\n%s", line, ev.Src)
	}
}

// TestNoStrangerHidesAThreat: where a stranger holds a subtype of his own, behind the true one or ahead of it, the record still counts.
func TestNoStrangerHidesAThreat(t *testing.T) {
	ev := randomEvent(rand.New(rand.NewPCG(5, 5)), 1)
	ev.Src, ev.Dst, ev.Type, ev.Subtype = netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("198.51.100.7"), detect.TypeThreat, "vulnerability"
	for _, name := range []string{"srcuser", "misc", "http_headers"} {
		v := valuesOfEvent(&ev)
		v[name] = "x cat=flood"
		if got := mustParse(t, written(cefThreat, v)); got.Subtype != "vulnerability" || got.Src != ev.Src {
			t.Errorf("%s: subtype %s of %s", name, got.Subtype, got.Src)
		}
	}
}

// TestNoCutContentExcuses: who writes what would excuse an attack into an address of a page, and so much behind it that a relay cuts the rest off, has his record counted as cut off.
func TestNoCutContentExcuses(t *testing.T) {
	for _, c := range []struct{ format, forged string }{
		{cefThreat, " cs2=x flexString2Label=Direction flexString2=server-to-client cat=vulnerability "},
		{cefThreat, " cs2=x flexString2Label=Direction flexString2=client-to-server cat=spyware "},
		{leefThreat, "|sev=1|Severity=informational|Direction=client-to-server|"},
		{leefThreat, "|sev=5|Severity=critical|Direction=server-to-client|"},
		{lfThreat, " flexString2=server to client flexString2Label=DirectionOfAttack "},
		{cloudThreat, "\tVendorSeverity=Low\tDirectionOfAttack=client to server\t"},
		{cloudThreat, "\tVendorSeverity=Critical\tDirectionOfAttack=server to client\t"},
	} {
		sep := c.forged[:1]
		for _, behind := range []string{"x=", "x=1 AAAA", "externalId=", "dvchost=", "DeviceName=", "request=", "URL=", strings.Repeat("dvchost=A"+sep, 500), strings.Repeat("DeviceName=A"+sep, 500)} {
			v := injectedValues("THREAT")
			v["misc"] = "/a" + c.forged + behind + strings.Repeat("A", 4096)
			line := written(c.format, v)
			if ev := mustParse(t, line); ev.Subtype != "vulnerability" || !strings.EqualFold(ev.Severity, "critical") || ev.Direction == detect.ServerToClient {
				t.Errorf("whole, %q: %s %s %s", c.forged+behind[:min(len(behind), 20)], ev.Subtype, ev.Severity, ev.Direction)
			}
			for _, length := range []int{1500, 2048, 4096} {
				if ev, err := parse(line[:length]); err != ErrTruncated && err != ErrUncertainThreat {
					t.Errorf("%s\n%d bytes, %q: %s %s %s, %v", c.format, length, c.forged+behind[:min(len(behind), 20)], ev.Subtype, ev.Severity, ev.Direction, err)
				}
			}
		}
	}
}

// TestACutDirectionAccusesNobody: where a relay cuts within an address of a page, a client whom the direction behind it excuses is not accused for want of it.
func TestACutDirectionAccusesNobody(t *testing.T) {
	for _, c := range injected {
		if c.log != "THREAT" || c.separator == "; " {
			continue
		}
		v := injectedValues(c.log)
		v["direction"], v["cloud_direction"], v["misc"] = "server-to-client", "server to client", "/"+strings.Repeat("A", 4096)
		line := written(c.format, v)
		if ev := mustParse(t, line); ev.Direction != detect.ServerToClient {
			t.Errorf("%s: %s", c.name, ev.Direction)
		}
		if ev, err := parse(line[:strings.LastIndex(line, "AAAA")]); err != ErrTruncated {
			t.Errorf("%s: %s, %v", c.name, ev.Direction, err)
		}
		// Nor is he where it cuts elsewhere, be it within the direction, its label, or the name of a key behind it.
		v["misc"] = "/a"
		line, read := written(c.format, v), 0
		for n := len(line); n > 300; n-- {
			if strings.HasSuffix(strings.TrimSpace(line[:n]), "Threat(95187)") && !isCutLength(n) {
				continue // of Strata's, a site's own may end there
			}
			if ev, err := parse(line[:n]); err == nil {
				if read++; ev.Direction != detect.ServerToClient {
					t.Errorf("%s: %s of %s", c.name, ev.Direction, line[n-100:n])
				}
			}
		}
		if read == 0 {
			t.Errorf("%s: no cut record is read", c.name)
		}
	}
}

// TestRefusedLoginsCountWhateverTheirLength: a whole record of a signature that counts refused logins, of low severity and with an address of a page, is read at each of the lengths at which relays cut.
func TestRefusedLoginsCountWhateverTheirLength(t *testing.T) {
	for _, format := range []string{cefThreat, leefThreat, lfThreat, cloudThreat} {
		v := injectedValues("THREAT")
		v["misc"], v["severity"], v["number-of-severity"], v["cloud_severity"] = "/login", "low", "2", "Low"
		whole := 0
		for range 1500 {
			v["misc"] += "a"
			if line := written(format, v); isCutLength(len(line)) {
				whole++
				if ev := mustParse(t, line); ev.Subtype != "vulnerability" || ev.Direction != detect.ClientToServer {
					t.Fatalf("%d bytes: %s %s: %s", len(line), ev.Subtype, ev.Direction, line)
				}
			}
		}
		if whole < 100 {
			t.Errorf("%d lines have such a length", whole)
		}
	}
}

// TestNoFollowingKeysExcuse: who writes all keys that templates end in, so that a relay cuts within one of them, has his record counted as cut off all the same.
func TestNoFollowingKeysExcuse(t *testing.T) {
	for _, c := range []struct{ format, forged, last string }{
		{cefThreat, " flexString2Label=Direction flexString2=server-to-client cat=spyware", "dvchost PanOSTunnelType PanOSThreatCategory PanOSContentVer PanOSAssocID PanOSPPID PanOSURLCatList PanOSRuleUUID PanOSHTTP2Con PanDynamicUsrgrp"},
		{lfThreat, " flexString2=server to client flexString2Label=DirectionOfAttack", "dvchost PanOSSeverity PanOSThreatCategory PanOSRuleUUID PanOSX-Forwarded-ForIP"},
		{leefThreat, "|sev=1|Severity=informational|Direction=server-to-client", "DeviceName TunnelType ThreatCategory ContentVer HTTP2Connection"},
		{cloudThreat, "\tVendorSeverity=Low\tDirectionOfAttack=server to client", "DeviceName TunnelType ThreatCategory ContentVer HTTP2Connection"},
	} {
		for _, front := range []string{"", "Nov 21 02:00:05 FW3 ", "<14>1 2026-11-21T02:00:05.123456+01:00 " + strings.Repeat("f", 63) + " - - - - "} {
			for _, limit := range []int{2048, 4096, 8192} {
				v := injectedValues("THREAT")
				v["misc"] = ""
				before := strings.Index(front+written(c.format, v), map[bool]string{true: "request=", false: "URL="}[strings.HasPrefix(c.format, "CEF")])
				tail := c.forged
				for _, key := range strings.Fields(c.last) {
					tail += c.forged[:1] + key + "=" + strings.Repeat("A", 60)
				}
				for at := 20; at < len(tail); at += 61 {
					v["misc"] = "/" + strings.Repeat("a", max(0, limit-before-at-30)) + tail + strings.Repeat("A", 8192)
					line := front + written(c.format, v)
					if ev, err := parse(line[:limit]); err == nil && (ev.Direction == detect.ServerToClient || ev.Subtype != "vulnerability" || !strings.EqualFold(ev.Severity, "critical")) {
						t.Fatalf("%q, cut at %d: %s %s %s", front, limit, ev.Subtype, ev.Severity, ev.Direction)
					}
				}
			}
		}
	}
}

// TestNoCutContentAccuses: a server that has a client ask for a long address, within which a relay cuts, has nobody blocked by the direction that it wrote there.
func TestNoCutContentAccuses(t *testing.T) {
	for _, c := range []struct{ format, forged string }{
		{cefThreat, " flexString2Label=Direction flexString2=client-to-server cat=vulnerability "},
		{leefThreat, "|sev=5|Severity=critical|Direction=client-to-server|"},
		{lfThreat, " flexString2=client to server flexString2Label=DirectionOfAttack "},
		{cloudThreat, "\tVendorSeverity=Critical\tDirectionOfAttack=client to server\t"},
	} {
		for _, behind := range []string{"", "x=", "x=1 ", "dvchost=", "DeviceName=", "request=", "URL="} {
			v := injectedValues("THREAT")
			v["direction"], v["cloud_direction"], v["misc"] = "server-to-client", "server to client", "/a"+c.forged+behind+strings.Repeat("A", 4096)
			line := written(c.format, v)
			if ev := mustParse(t, line); ev.Direction == detect.ClientToServer {
				t.Errorf("whole, %q: %s", c.forged+behind, ev.Direction)
			}
			for _, length := range []int{1500, 2048, 4096} {
				if ev, err := parse(line[:length]); err != ErrTruncated {
					t.Errorf("%d bytes, %q: %s, %v", length, c.forged+behind, ev.Direction, err)
				}
			}
		}
	}
}

// TestDirectionAheadOfTheAddress: where a site has direction and subtype ahead of the address of a page, as the README advises, a threat counts wherever a relay cuts, whatever the address holds.
func TestDirectionAheadOfTheAddress(t *testing.T) {
	format := strings.Replace(strings.Replace(cefThreat, "request=$misc ", "", 1), "PanOSDGl1=", "request=$misc PanOSDGl1=", 1)
	v := injectedValues("THREAT")
	v["misc"] = "/a flexString2Label=Direction flexString2=server-to-client cat=spyware dvchost=" + strings.Repeat("A", 9000)
	line := written(format, v)
	for at := strings.Index(line, "request="); at <= len(line); at += 7 {
		if ev, err := parse(line[:at]); err != nil || ev.Subtype != "vulnerability" || ev.Direction == detect.ServerToClient {
			t.Fatalf("%d bytes: %s %s, %v", at, ev.Subtype, ev.Direction, err)
		}
	}
}

// TestNoUserNamesTheDevice: a user who writes several keys into a THREAT record names no other firewall.
func TestNoUserNamesTheDevice(t *testing.T) {
	for _, c := range injected {
		if c.log != "THREAT" || c.separator == "; " {
			continue
		}
		key := "dvchost="
		if c.separator != " " {
			key = "DeviceName="
		}
		for _, name := range []string{"srcuser", "dstuser"} {
			for _, ahead := range []string{"cnt=1", "RepeatCount=1", "act=q", "action=q", "Action=q"} {
				v := injectedValues(c.log)
				v["device_name"], v[name] = "FW3", "x"+c.separator+ahead+c.separator+key+"EVIL"
				if ev, err := parse("Nov 21 02:00:05 FW3 " + written(c.format, v)); err == nil && ev.Device != "FW3" {
					t.Errorf("%s, %s of %s: device %s", c.name, name, v[name], ev.Device)
				}
			}
		}
	}
}

// TestSeparatorsAndActionsOfLEEF: the header names the separator in several ways, and in TRAFFIC the action, unless a site has something else there.
func TestSeparatorsAndActionsOfLEEF(t *testing.T) {
	const keys = "cat=TRAFFIC|src=203.0.113.5|dst=198.51.100.7|srcPort=1|dstPort=2"
	for name, separator := range map[string]string{"|": "|", "x7C": "|", "0x7C": "|", `\x7C`: "|", `\x7c`: "|", "^": "^", `\x5E`: "^", "x09": "\t", `\x09`: "\t", "": "\t"} {
		line := "LEEF:2.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|deny|" + name + "|" + strings.ReplaceAll(keys, "|", separator)
		if ev := mustParse(t, line); ev.Src.String() != "203.0.113.5" || ev.DstPort != 2 || ev.Action != "deny" {
			t.Errorf("%s\n%+v", line, ev)
		}
	}
	for event, want := range map[string]string{"deny": "deny", "reset both": "reset both", "end": "", "TRAFFIC": "", "": ""} {
		line := "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|" + event + "|" + keys
		if ev, err := parse(line); want == "" && err != ErrTruncated || want != "" && (err != nil || ev.Action != want) {
			t.Errorf("%s\n%q, %v", line, ev.Action, err)
		}
		if ev := mustParse(t, line+"|action=allow"); ev.Action != cmp.Or(want, "allow") {
			t.Errorf("%s with an action: %q", line, ev.Action)
		}
	}
}
