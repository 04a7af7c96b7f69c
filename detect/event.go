package detect

import (
	"errors"
	"net/netip"
	"time"
)

// ErrNoEvent is what a reader of a format says of a line that is no fault and no event: a blank one, or a record of
// another log. Readers may wrap it, or have errors of their own that are it ([errors.Is]).
var ErrNoEvent = errors.New("no event")

// ErrCut is what a reader of a format says of a record whose end the firewall itself cut off, or a relay, and with it what detection
// needs: no fault of who sent it, and not to be passed over in silence. Readers have errors of their own that are it.
var ErrCut = errors.New("the firewall cut the record off")

// ErrHidden is an ErrCut of a failed login, which counts for nobody.
var ErrHidden = errors.New("a failed login counts for nobody")

// Type says which of the firewall's logs a record comes from.
type Type uint8

// The logs that detection knows. Records of any other log are no events.
const (
	TypeUnknown Type = iota
	TypeTraffic
	TypeThreat
	TypeGlobalProtect // logins to a portal, a gateway or the clientless VPN
	TypeSystem        // of these only the logins: of administrators, and of GlobalProtect users once more
	TypeLog           // a line of any other log that a pattern took: Subtype is the name of its event
)

// String gives the name the log itself uses, such as "TRAFFIC"; "" for TypeUnknown.
func (t Type) String() string {
	switch t {
	case TypeTraffic:
		return "TRAFFIC"
	case TypeThreat:
		return "THREAT"
	case TypeGlobalProtect:
		return "GLOBALPROTECT"
	case TypeSystem:
		return "SYSTEM"
	case TypeLog:
		return "LOG"
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

// Protocol is that of a session, as far as it matters who could have forged it.
type Protocol uint8

// ProtocolUnknown is the zero value: the format carries none.
const (
	ProtocolUnknown Protocol = iota
	TCP
	UDP
	ICMP // ICMPv6 too
	OtherProtocol
)

// String gives the log's own word: "tcp", "udp", "icmp", "other", or "" when it is not known.
func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMP:
		return "icmp"
	case OtherProtocol:
		return "other"
	}
	return ""
}

// Traffic is what a session carried in each direction. The zero value says nothing unless Counted is set: several
// formats do not carry it.
type Traffic struct {
	Counted                      bool // the bytes are the log's; so are the packets, which are 0 where it has none
	BytesSent, BytesReceived     uint64
	PacketsSent, PacketsReceived uint64
}

// Event is one record of a firewall's log. Detection never changes it and keeps none of
// it but Ref, the addresses, the ports, the time, and of each device the name.
//
// Of a login (TypeGlobalProtect, TypeSystem) the source is the client, the zero Addr where the record does not say it, and
// there is no destination; Subtype is the log's event
// id ("portal-auth", "auth-fail"), Action its status ("failure", "success"), Application the method of authentication
// ("LDAP", "Cookie"), SrcUser who tried, and EndReason the text that says why it failed.
type Event struct {
	// Time of the record by the firewall's clock, any zone.
	Time time.Time
	// Later is 0, but where the firewall's clock was set back and passed the record's time twice, and nothing in the line
	// says which it was: Time is the first, and Later is how much later the second was.
	Later time.Duration
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

	// Application is what the firewall took the session for, such as "ssl", "incomplete" or "not-applicable"; "" where
	// the format has none. EndReason is why the session ended, such as "policy-deny"; only TRAFFIC has one. Category is
	// that of the threat, such as "brute-force".
	Application, EndReason, Category string
	// SrcZone and DstZone are those of the sender and of the receiver of the record.
	SrcZone, DstZone string
	// NATSrc and NATDst are the translated addresses, with their ports; the zero Addr and 0 where nothing was translated
	// or the format has none. The address may be the original where the port alone is another.
	NATSrc, NATDst         netip.Addr
	NATSrcPort, NATDstPort uint16
	// Client is the address that a proxy in front of us named (X-Forwarded-For); the zero Addr if none did. It is a
	// stranger's text unless the record comes from such a proxy.
	Client netip.Addr

	Type Type
	// Proven is whether a line like this needs a session with the source, of a TypeLog event; of others the record says it.
	Proven    bool
	Direction Direction
	Protocol  Protocol
	Traffic   Traffic
	// Session is what became of it; see Judge. Records that were stored have it, without all that it was judged by.
	Session Session
	// Repeat counts the identical messages that syslog merged into this one, of GLOBALPROTECT the events that the
	// firewall did, and of TypeLog the attempts that the line tells of; 0 and 1 both mean one.
	Repeat uint32
	// Ref is the caller's name for the line; detection only hands it back in
	// Verdict.Evidence.
	Ref uint64
}
