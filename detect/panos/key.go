package panos

// key numbers the keys of the documented format in their order, and behind them those that the longer formats add.
type key uint8

const (
	keySrcLocation key = iota
	keySrcIP
	keySrcPort
	keySrcUser
	keyDstLocation
	keyDstIP
	keyDstPort
	keyAction
	keyRuleName
	keyRuleID
	keyTimeReceived
	keyThreatName
	keyThreatID
	keySeverity
	keySubtype
	keyType
	numKeys
)

const (
	keyApplication = numKeys + iota
	keySrcZone
	keyDstZone
	keyProtocol
	keyNATSrcIP
	keyNATSrcPort
	keyNATDstIP
	keyNATDstPort
	keyTimeGenerated
	keyTimePrecise
	keyBytesSent
	keyBytesReceived
	keyPacketsSent
	keyPacketsReceived
	keyEndReason
	keyDirection
	keyCategory
	endKeys
)

// tail is what a longer format has behind the sixteen keys of every format: more of what PAN-OS itself chose or
// restricts (zones are named as rules are). Their last keys tell the formats apart, and from the shorter one.
type tail []key

var (
	trafficTail = tail{
		keyApplication, keySrcZone, keyDstZone, keyProtocol, keyNATSrcIP, keyNATSrcPort, keyNATDstIP, keyNATDstPort, keyTimeGenerated,
		keyTimePrecise, keyBytesSent, keyBytesReceived, keyPacketsSent, keyPacketsReceived, keyEndReason,
	}
	threatTail = tail{
		keyApplication, keySrcZone, keyDstZone, keyProtocol, keyNATSrcIP, keyNATSrcPort, keyNATDstIP, keyNATDstPort, keyTimeGenerated,
		keyTimePrecise, keyDirection, keyCategory,
	}
)

// tailEnding gives the tail whose last key is k; none for any other key.
func tailEnding(k key) tail {
	switch k {
	case keyEndReason:
		return trafficTail
	case keyCategory:
		return threatTail
	}
	return nil
}

// keyTable holds, for each key, its name and the PAN-OS variable that the custom
// log format assigns to it: a firewall that does not know a variable prints it as
// it stands. Free marks the keys whose value may hold any text; the others hold
// what PAN-OS itself chose or restricts (addresses, numbers, words; rule names are
// letters, digits, spaces, dots, dashes and underscores), never a semicolon.
var keyTable = [endKeys]struct {
	name, variable string
	free           bool
}{
	keySrcLocation:  {"SrcLocation", "$srcloc", true},
	keySrcIP:        {"SrcIP", "$src", false},
	keySrcPort:      {"SrcPort", "$sport", false},
	keySrcUser:      {"SrcUser", "$srcuser", true},
	keyDstLocation:  {"DstLocation", "$dstloc", true},
	keyDstIP:        {"DstIP", "$dst", false},
	keyDstPort:      {"DstPort", "$dport", false},
	keyAction:       {"Action", "$action", false},
	keyRuleName:     {"RuleName", "$rule", false},
	keyRuleID:       {"RuleID", "$rule_uuid", false},
	keyTimeReceived: {"TimeReceived", "$time_received", false},
	keyThreatName:   {"ThreatName", "$threat_name", true},
	keyThreatID:     {"ThreatID", "$threatid", true},
	keySeverity:     {"Severity", "$severity", false},
	keySubtype:      {"Subtype", "$subtype", false},
	keyType:         {"Type", "$type", false},

	keyApplication:     {"Application", "$app", false},
	keySrcZone:         {"SrcZone", "$from", false},
	keyDstZone:         {"DstZone", "$to", false},
	keyProtocol:        {"Protocol", "$proto", false},
	keyNATSrcIP:        {"NATSrcIP", "$natsrc", false},
	keyNATSrcPort:      {"NATSrcPort", "$natsport", false},
	keyNATDstIP:        {"NATDstIP", "$natdst", false},
	keyNATDstPort:      {"NATDstPort", "$natdport", false},
	keyTimeGenerated:   {"TimeGenerated", "$time_generated", false},
	keyTimePrecise:     {"TimePrecise", "$high_res_timestamp", false},
	keyBytesSent:       {"BytesSent", "$bytes_sent", false},
	keyBytesReceived:   {"BytesReceived", "$bytes_received", false},
	keyPacketsSent:     {"PacketsSent", "$pkts_sent", false},
	keyPacketsReceived: {"PacketsReceived", "$pkts_received", false},
	keyEndReason:       {"EndReason", "$session_end_reason", false},
	keyDirection:       {"Direction", "$direction", false},
	keyCategory:        {"Category", "$thr_category", false},
}

// strangers says whether anybody on the internet can choose what stands behind the key.
func (k key) strangers() bool { return k == keySrcUser || k == keyThreatName || k == keyThreatID }
