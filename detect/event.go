package detect

import (
	"errors"
	"net/netip"
	"time"
)

// ErrNoEvent is what a reader of a format says of a line that is no fault and no event: a blank one, or a record of
// another log. Readers may wrap it, or have errors of their own that are it ([errors.Is]).
var ErrNoEvent = errors.New("no event")

// Type says which of the firewall's logs a record comes from.
type Type uint8

// The logs that detection knows. Records of any other log are no events.
const (
	TypeUnknown Type = iota
	TypeTraffic
	TypeThreat
)

// String gives the name the log itself uses: "TRAFFIC" or "THREAT"; "" for TypeUnknown.
func (t Type) String() string {
	switch t {
	case TypeTraffic:
		return "TRAFFIC"
	case TypeThreat:
		return "THREAT"
	}
	return ""
}

// Direction of an attack, as THREAT records carry it.
type Direction uint8

// DirectionUnknown is the zero value: the format carries no direction, or the
// record is no THREAT record.
const (
	DirectionUnknown Direction = iota
	ClientToServer
	ServerToClient
)

// String gives the log's own spelling: "client-to-server", "server-to-client",
// or "" when it is not known.
func (d Direction) String() string {
	switch d {
	case ClientToServer:
		return "client-to-server"
	case ServerToClient:
		return "server-to-client"
	}
	return ""
}

// Event is one record of a firewall's log. Detection never changes it and keeps none of
// it but Ref, the addresses, the ports, the time, and of each device the name.
type Event struct {
	// Time of the record by the firewall's clock, any zone.
	Time time.Time
	// Device is the firewall's name in the log, else the syslog host, else ""
	// (the caller then sets the name of the file).
	Device string
	// Src and Dst are unmapped (no ::ffff:) and without zone. Dst is the zero
	// Addr if the record has none.
	Src, Dst netip.Addr
	// SrcPort and DstPort are 0 for protocols without ports.
	SrcPort, DstPort uint16

	SrcUser, SrcCountry, DstCountry string
	Action, Rule, RuleID            string
	ThreatName, ThreatID            string
	// Severity and Subtype as the log spells them; compared without regard to case.
	Severity, Subtype string

	Type      Type
	Direction Direction
	// Repeat counts the identical messages that syslog merged into this one; 0
	// and 1 both mean one.
	Repeat uint32
	// Ref is the caller's name for the line; detection only hands it back in
	// Verdict.Evidence.
	Ref uint64
}
