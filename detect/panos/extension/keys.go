package extension

// Field is what a value means, whichever key it has.
type Field uint8

// The fields. Where a value is said to be empty, the key may be missing, too.
const (
	None Field = iota
	Src        // IPv4, in LEEF also IPv6
	SrcIPv6
	Dst
	DstIPv6
	SrcPort
	DstPort
	NATSrc
	NATDst
	NATSrcPort
	NATDstPort
	User
	Application
	Action
	Rule
	RuleLabel // what a label says its value is; empty: nothing
	RuleID
	SrcZone
	SrcZoneLabel
	DstZone
	DstZoneLabel
	Protocol
	In // CEF: bytes, of which direction depends on the product
	Out
	BytesSent
	BytesReceived
	PacketsSent
	PacketsReceived
	EndReason
	Device
	SrcRegion
	DstRegion
	Type // of LEEF, beside Category
	Subtype
	Category // "cat": subtype, threat or log, see the caller
	ThreatID // Name(ID)
	ThreatCategory
	Severity
	SeverityNumber
	Direction
	DirectionLabel
	Client // X-Forwarded-For
	Zone   // of times without one
	Received
	Sent // LEEF: devTime
	Generated
	Precise
	Event // of a login
	Status
	Method
	PublicIP
	PublicIPv6
	ClientRegion
	Repeat
	Error
	Reason
	Description
	Message // the description of a SYSTEM record
	numFields
)

// isStrangers says whether a stranger chose all values of a field.
func (f Field) isStrangers() bool {
	return f == User || f == Error || f == Description || f == Message
}

// isNeverBehind says whether a key stands right behind a value that a stranger chose in none of PAN-OS's templates, and not all of them have it: where it does,
// it is a part of that value.
func (k *key) isNeverBehind() bool {
	switch k.field {
	case SrcRegion, DstRegion, ThreatCategory, Direction, DirectionLabel, Client, Zone, Received, Sent, Generated, Precise,
		NATSrc, NATDst, NATSrcPort, NATDstPort, PacketsSent, PacketsReceived:
		return true
	}
	return k.name == "dvchost" || k.name == "PanOSDeviceName" || k.name == "RuleUUID"
}

// class says who chooses the value of a key.
type class uint8

const (
	own      class = iota // the firewall, or an administrator by a name that holds no equals sign
	anything              // the firewall in the templates that are known; the format leaves it to a site what it holds
	user                  // who has an account, or a machine in a network of ours
	content               // anybody who sends anything
	end                   // the firewall; the first key behind the description of a SYSTEM record
	unknown               // of a key that is in no table: whoever wrote it, its value is not read
)

// isStrangers says whether a stranger chose values of the class.
func (c class) isStrangers() bool { return c == user || c == content }

// key is a key of a format. Those of a table end any value ahead of them, others none that a stranger chose.
type key struct {
	name  string
	field Field // None: it only ends the value ahead of it
	class class
}

// table holds the keys of a format.
type table []key

func newTable(fields []key, others ...group) table {
	t := table(fields)
	for _, g := range others {
		for _, name := range g.names {
			t = append(t, key{name: name, class: g.class})
		}
	}
	return t
}

// group is of keys whose values are not read.
type group struct {
	class class
	names []string
}

// The keys of CEF: PAN-OS's templates of the CEF configuration guides for 6.1 to 10.0, Strata's "CEF Fields" pages, and keys of
// custom formats in use.
var cefKeys = newTable([]key{
	{name: "src", field: Src}, {name: "c6a2", field: SrcIPv6}, {name: "dst", field: Dst}, {name: "c6a3", field: DstIPv6},
	{name: "spt", field: SrcPort}, {name: "dpt", field: DstPort},
	{name: "sourceTranslatedAddress", field: NATSrc}, {name: "destinationTranslatedAddress", field: NATDst},
	{name: "sourceTranslatedPort", field: NATSrcPort}, {name: "destinationTranslatedPort", field: NATDstPort},
	{name: "suser", field: User, class: user}, {name: "app", field: Application}, {name: "act", field: Action},
	{name: "cs1", field: Rule, class: anything}, {name: "cs1Label", field: RuleLabel}, {name: "rule", field: Rule},
	{name: "PanOSRuleUUID", field: RuleID}, {name: "RuleUUID", field: RuleID},
	{name: "cs4", field: SrcZone, class: anything}, {name: "cs4Label", field: SrcZoneLabel}, {name: "sz", field: SrcZone},
	{name: "cs5", field: DstZone, class: anything}, {name: "cs5Label", field: DstZoneLabel}, {name: "dz", field: DstZone},
	{name: "proto", field: Protocol}, {name: "in", field: In}, {name: "out", field: Out},
	{name: "PanOSPacketsSent", field: PacketsSent}, {name: "PanOSPacketsReceived", field: PacketsReceived},
	{name: "reason", field: EndReason}, {name: "dvchost", field: Device}, {name: "PanOSDeviceName", field: Device},
	{name: "PanOSSourceLocation", field: SrcRegion}, {name: "PanOSDestinationLocation", field: DstRegion},
	{name: "PanOSSourceRegion", field: ClientRegion},
	{name: "cat", field: Category}, {name: "PanOSThreatID", field: ThreatID}, {name: "PanOSThreatCategory", field: ThreatCategory},
	{name: "PanOSSeverity", field: Severity}, {name: "flexString2", field: Direction, class: anything}, {name: "flexString2Label", field: DirectionLabel},
	{name: "PanOSX-Forwarded-ForIP", field: Client},
	{name: "dtz", field: Zone}, {name: "rt", field: Received}, {name: "start", field: Generated}, {name: "PanOSLogTimeStamp", field: Generated},
	{name: "PanOSEventTime", field: Generated}, {name: "PanOSTimeGeneratedHighResolution", field: Precise}, {name: "TimeHighRes", field: Precise},
	{name: "PanOSEventID", field: Event}, {name: "PanOSEventIDValue", field: Event}, {name: "PanOSEventStatus", field: Status},
	{name: "PanOSAuthMethod", field: Method}, {name: "PanOSSourceUserName", field: User, class: user},
	{name: "PanOSPublicIPv4", field: PublicIP}, {name: "PanOSPublicIPv6", field: PublicIPv6}, {name: "PanOSCountOfRepeats", field: Repeat},
	{name: "PanOSConnectionError", field: Error, class: user}, {name: "PanOSQuarantineReason", field: Reason},
	{name: "PanOSDescription", field: Description, class: user}, {name: "msg", field: Message, class: content}, {name: "externalId", class: end},
},
	group{own, []string{
		"deviceExternalId", "cs3Label", "deviceInboundInterface", "deviceOutboundInterface", "cs6Label", "cn1Label", "cn1",
		"cnt", "flexString1Label", "flexNumber1Label", "flexNumber1", "flexNumber2Label", "flexNumber2", "cn2Label", "cn2",
		"cn3Label", "cn3", "cs2Label", "c6a1", "c6a1Label", "c6a2Label", "c6a3Label", "vs", "ProfileToken", "PanOSBytes",
		"PanOSDGl1", "PanOSDGl2", "PanOSDGl3", "PanOSDGl4", "PanOSVsysName", "PanOSActionFlags", "PanOSSrcUUID", "PanOSDstUUID",
		"PanOSTunnelID", "PanOSMonitorTag", "PanOSParentSessionID", "PanOSParentStartTime", "PanOSParentStarttime", "PanOSTunnelType",
		"PanOSSCTPAssocID", "PanOSSCTPChunks", "PanOSSCTPChunkSent", "PanOSSCTPChunksRcv", "PanOSHTTP2Con", "PanLinkChange", "PanPolicyID",
		"PanLinkDetail", "PanSDWANCluster", "PanSDWANDevice", "PanSDWANClustype", "PanSDWANSite", "PanDynamicUsrgrp", "PanOSContentVer",
		"PanOSAssocID", "PanOSPPID", "PanOSURLCatList", "requestMethod",
		"PanOSDeviceSN", "PanOSVirtualSystem", "PanOSStage", "PanOSTunnelType", "PanOSPrivateIPv4", "PanOSPrivateIPv6",
		"PanOSGPGatewayLocation", "PanOSGlobalProtectGatewayLocation", "PanOSLoginDuration", "PanOSConnectionMethod", "PanOSConnectionErrorID",
		"PanOSPortal", "PanOSSequenceNo", "PanOSConfigVersion", "PanOSSessionStartTime", "PanOSDGHierarchyLevel1", "PanOSDGHierarchyLevel2",
		"PanOSDGHierarchyLevel3", "PanOSDGHierarchyLevel4", "PanOSVirtualSystemName", "PanOSVirtualSystemID", "PanOSSourceUUID",
		"PanOSDestinationUUID", "PanOSIMSI", "PanOSIMEI", "PanOSTunnel", "PanOSHTTP2Connection", "PanOSContentVersion", "PanOSSigFlags",
		"PanOSIsDuplicateLog", "PanOSLogSource", "PanOSLogSourceTimeZoneOffset", "PanOSLogExported", "PanOSLogForwarded", "PanOSTenantID",
		"PanOSDynamicUserGroup", "PanOSNSSAINetworkSliceType", "PanOSNSSAINetworkSliceDifferentiator",
	}},
	group{anything, []string{"cs2", "cs3", "cs6", "flexString1", "fname", "fileId", "fileHash", "fileType", "oldFileId"}},
	group{user, []string{
		"duser", "sntdom", "dntdom", "suser0", "duser0", "PanOSUsers", "PanOSEndpointDeviceName", "PanOSHostID", "PanOSGPHostID", "PanOSEndpointSN",
		"PanOSEndpointSerialNumber", "PanOSGlobalProtectClientVersion", "PanOSEndpointOSType", "PanOSEndpointOSVersion", "PanOSEndpointUserName",
		"PanOSEndpointUserDomain", "PanOSSourceDeviceHost", "PanOSDestinationDeviceHost", "PanOSSourceDeviceModel", "PanOSDestinationDeviceModel", "shost", "dhost",
	}},
	group{content, []string{
		"request", "requestContext", "requestClientApplication", "PanOSXForwarderfor", "PanOSReferer", "PanOSHTTPHeader", "PanOSHTTPHeaders",
		"PanOSURL", "PanOSURLDomain", "PanOSFileURL", "PanOSFileName", "PanOSUserAgent", "filePath", "suid", "duid", "PanOSX-Forwarded-For",
		"PanOSSenderEmail", "PanOSEmailSubject", "PanOSRecipientEmail", "PanOSCommonName", "PanOSServerNameIndication",
	}},
)

// The keys of LEEF: PAN-OS's templates (IBM's device support guide, releases 7.1 to 11.1) and Strata's "LEEF Fields" pages.
var leefKeys = newTable([]key{
	{name: "src", field: Src}, {name: "dst", field: Dst}, {name: "srcPort", field: SrcPort}, {name: "dstPort", field: DstPort},
	{name: "srcPostNAT", field: NATSrc}, {name: "dstPostNAT", field: NATDst}, {name: "srcPostNATPort", field: NATSrcPort}, {name: "dstPostNATPort", field: NATDstPort},
	{name: "usrName", field: User, class: user}, {name: "Application", field: Application}, {name: "action", field: Action}, {name: "Action", field: Action},
	{name: "RuleName", field: Rule}, {name: "Rule", field: Rule}, {name: "RuleUUID", field: RuleID},
	{name: "SourceZone", field: SrcZone}, {name: "FromZone", field: SrcZone}, {name: "DestinationZone", field: DstZone}, {name: "ToZone", field: DstZone},
	{name: "proto", field: Protocol}, {name: "srcBytes", field: BytesSent}, {name: "dstBytes", field: BytesReceived},
	{name: "srcPackets", field: PacketsSent}, {name: "dstPackets", field: PacketsReceived}, {name: "SessionEndReason", field: EndReason},
	{name: "DeviceName", field: Device}, {name: "LogSourceName", field: Device},
	{name: "SourceLocation", field: SrcRegion}, {name: "DestinationLocation", field: DstRegion}, {name: "SourceRegion", field: ClientRegion},
	{name: "cat", field: Category}, {name: "Type", field: Type}, {name: "Subtype", field: Subtype}, {name: "SubType", field: Subtype}, {name: "subtype", field: Subtype},
	{name: "ThreatID", field: ThreatID}, {name: "ThreatCategory", field: ThreatCategory}, {name: "Severity", field: Severity}, {name: "VendorSeverity", field: Severity},
	{name: "sev", field: SeverityNumber}, {name: "Direction", field: Direction}, {name: "DirectionOfAttack", field: Direction},
	{name: "X-Forwarded-ForIP", field: Client}, {name: "ReceiveTime", field: Received}, {name: "TimeReceived", field: Received}, {name: "LogTime", field: Received},
	{name: "devTime", field: Sent}, {name: "TimeGeneratedHighResolution", field: Precise},
	{name: "EventID", field: Event}, {name: "Status", field: Status}, {name: "EventStatus", field: Status}, {name: "AuthMethod", field: Method},
	{name: "PublicIP", field: PublicIP}, {name: "PublicIPv4", field: PublicIP}, {name: "PublicIPv6", field: PublicIPv6},
	{name: "CountOfRepeats", field: Repeat}, {name: "ConnectionError", field: Error, class: user}, {name: "Error", field: Error, class: user},
	{name: "QuarantineReason", field: Reason}, {name: "Reason", field: Reason}, {name: "Description", field: Description, class: user},
	{name: "msg", field: Message, class: content}, {name: "EventDescription", field: Message, class: content},
	{name: "sequence", class: end}, {name: "SequenceNo", class: end},
},
	group{own, []string{
		"SerialNumber", "DeviceSN", "LogSourceID", "VirtualSystem", "VirtualLocation", "IngressInterface", "EgressInterface", "InboundInterface",
		"OutboundInterface", "LogForwardingProfile", "LogSetting", "SessionID", "RepeatCount", "Flags", "totalBytes", "Bytes", "totalPackets",
		"StartTime", "SessionStartTime", "ElapsedTime", "SessionDuration", "URLCategory", "ActionFlags", "ProfileToken", "ConfigVersion",
		"DeviceGroupHierarchyL1", "DeviceGroupHierarchyL2", "DeviceGroupHierarchyL3", "DeviceGroupHierarchyL4", "DGHierarchyLevel1",
		"DGHierarchyLevel2", "DGHierarchyLevel3", "DGHierarchyLevel4", "vSrcName", "VirtualSystemName", "VirtualSystemID", "ActionSource",
		"SrcUUID", "DstUUID", "SourceUUID", "DestinationUUID", "TunnelID", "MonitorTag", "IMSI", "IMEI", "ParentSessionID", "ParentStartTime",
		"ParentStarttime", "TunnelType", "Tunnel", "PCAP_ID", "PacketID", "Cloud", "URLIndex", "URLCounter", "FileType",
		"ReportID", "ContentVersion", "ContentVer", "SigFlags", "HTTP2Connection", "DynamicUserGroupName", "URLCategoryList", "RequestMethod",
		"HTTPMethod", "devTimeFormat", "Stage", "TunnelType", "PrivateIP", "PrivateIPv4", "PrivateIPv6", "LoginDuration",
		"ConnectionMethod", "ConnectionErrorID", "Portal", "GlobalProtectGatewayLocation",
	}},
	group{anything, []string{"Filename", "FileDigest", "FileHash", "Module", "EventComponent"}},
	group{user, []string{
		"SourceUser", "DestinationUser", "EndpointDeviceName", "Machinename", "HostID", "EndpointSN", "EndpointSerialNumber",
		"GlobalProtectClientVersion", "EndpointOSType", "EndpointOSVersion", "SourceDeviceHost", "DestinationDeviceHost", "SourceDeviceModel", "DestinationDeviceModel", "identHostName",
	}},
	group{content, []string{
		"Miscellaneous", "URL", "FileName", "ContentType", "UserAgent", "XForwardedFor", "identSrc", "Referer", "HTTPHeaders", "HTTPHeader",
		"Sender", "Subject", "Recipient", "SenderEmail", "EmailSubject", "RecipientEmail", "FileURL",
	}},
)
