package panos

// CustomFormat is the key=value format as a syslog server profile takes it, for Traffic and for Threat: it carries all
// that is recorded. The default format carries as much, in longer lines.
const CustomFormat = "SrcLocation=$srcloc; SrcIP=$src; SrcPort=$sport; SrcUser=$srcuser; DstLocation=$dstloc; DstIP=$dst; DstPort=$dport; " +
	"Action=$action; RuleName=$rule; RuleID=$rule_uuid; TimeReceived=$time_received; ThreatName=$threat_name; ThreatID=$threatid; " +
	"Severity=$severity; Subtype=$subtype; Type=$type;"
