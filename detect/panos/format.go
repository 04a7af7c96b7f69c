package panos

// CustomFormat is the shorter key=value format as a syslog server profile takes it, for Traffic and for Threat. It says
// neither what became of a session nor who opened it.
const CustomFormat = "SrcLocation=$srcloc; SrcIP=$src; SrcPort=$sport; SrcUser=$srcuser; DstLocation=$dstloc; DstIP=$dst; DstPort=$dport; " +
	"Action=$action; RuleName=$rule; RuleID=$rule_uuid; TimeReceived=$time_received; ThreatName=$threat_name; ThreatID=$threatid; " +
	"Severity=$severity; Subtype=$subtype; Type=$type;"

// sessionFormat is what both longer formats have behind the shorter one.
const sessionFormat = " Application=$app; SrcZone=$from; DstZone=$to; Protocol=$proto; NATSrcIP=$natsrc; NATSrcPort=$natsport; " +
	"NATDstIP=$natdst; NATDstPort=$natdport; TimeGenerated=$time_generated; TimePrecise=$high_res_timestamp;"

// TrafficFormat is the longer key=value format of the Traffic section: it carries all that detection reads of the default
// format but forwarded clients. A firewall older than a variable writes its name, which is read as nothing.
const TrafficFormat = CustomFormat + sessionFormat + " BytesSent=$bytes_sent; BytesReceived=$bytes_received; " +
	"PacketsSent=$pkts_sent; PacketsReceived=$pkts_received; EndReason=$session_end_reason;"

// ThreatFormat is the longer key=value format of the Threat section.
const ThreatFormat = CustomFormat + sessionFormat + " Direction=$direction; Category=$thr_category;"
