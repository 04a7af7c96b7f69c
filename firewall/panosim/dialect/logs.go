package dialect

// TimeReceived is what $time_received stands for in a custom log format.
type TimeReceived uint8

// It is offered in the picker; no source shows a value.
const (
	TimeReceivedLocal   TimeReceived = iota // as $receive_time: 2026/01/31 23:59:59 in the firewall's zone
	TimeReceivedEmpty                       // nothing
	TimeReceivedLiteral                     // the variable itself
	TimeReceivedRFC3339                     // with zone, as $high_res_timestamp
)

// ThreatFields is what $threat_name and $threatid stand for in a custom log format.
type ThreatFields uint8

// The first is recorded from 11.2; the second is what the names promise.
const (
	ThreatFieldsBoth  ThreatFields = iota // "Name(ID)" in both
	ThreatFieldsSplit                     // the name in one, the number in the other
)

// Foreign is what a variable stands for that the type of log does not have, as $severity in TRAFFIC.
type Foreign uint8

// No source shows it.
const (
	ForeignEmpty   Foreign = iota
	ForeignLiteral         // the variable itself
)
