package block

import (
	"net/netip"
	"time"
)

// Record is one line of a log as it is kept. The zero Src and Dst mean that the line had none. Times
// outside of the years 1 to 9999 are moved into them, and bytes that are no UTF-8 text become U+FFFD:
// a line with odd bytes is stored like any other.
type Record struct {
	ID               int64 // given when it is committed, growing; across several agents on one PostgreSQL only nearly in the order of commits
	Time             time.Time
	Device           string
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	SrcUser          string
	SrcCountry       string
	DstCountry       string
	Action           string
	Rule, RuleID     string
	ThreatName       string
	ThreatID         string
	Severity         string
	Subtype, Type    string
	Direction        string // client-to-server or server-to-client; empty: the log does not say
	Application      string // what the firewall took the session for, such as ssl or incomplete
	FromZone, ToZone string // of the sender and of the receiver
	SessionEndReason string // such as policy-deny; only of TRAFFIC
	Category         string // of the threat, such as brute-force; empty: the log does not say, or an earlier version kept the record
	Client           string // the address that a proxy named (X-Forwarded-For); empty: none did, or an earlier version kept the record
	Protocol         Protocol
	Outcome          Outcome
	Grade            Grade
	Repeat           uint32
	File, Offset     int64 // where the line was read: the number of a read position, and the byte where it begins

	Path  string // what File is called now, where a search was asked for it; empty where that is not known any more
	Agent int64  // whose File is; 0 outside of the store
}

// Protocol is that of a record's session. The numbers of Protocol, Outcome and Grade are those of the database.
type Protocol uint8

// ProtocolUnknown is the zero value: the log does not say, or an earlier version kept the record.
const (
	ProtocolUnknown Protocol = iota
	TCP
	UDP
	ICMP // ICMPv6 too
	OtherProtocol
)

// String gives "tcp", "udp", "icmp" or "other"; "" for what is not known.
func (p Protocol) String() string { return word(p, protocols[:]) }

// Outcome is what became of what a record tells of.
type Outcome uint8

// OutcomeUnknown is the zero value: it was not judged.
const (
	OutcomeUnknown Outcome = iota
	Refused
	Answered
	LateAnswer // refused, as the late answer to a session that ours opened
)

// String gives "refused", "answered" or "late-answer"; "" for what was not judged.
func (o Outcome) String() string { return word(o, outcomes[:]) }

// Grade says whether a record, or the evidence of a block, could have been made by packets from a forged source.
type Grade uint8

// GradeUnknown is the zero value: it was not judged.
const (
	GradeUnknown Grade = iota
	Forgeable
	Proven
)

// String gives "forgeable" or "proven"; "" for what was not judged.
func (g Grade) String() string { return word(g, grades[:]) }

// The words of the small numbers, each at its own.
var (
	protocols = [...]string{"", "tcp", "udp", "icmp", "other"}
	outcomes  = [...]string{"", "refused", "answered", "late-answer"}
	grades    = [...]string{"", "forgeable", "proven"}
)

// word gives that of a small number; "" for one that a later version may have written.
func word[T ~uint8](n T, words []string) string {
	if int(n) < len(words) {
		return words[n]
	}
	return ""
}

// Smalls are a record's small numbers, in the order of the store's columns for them.
func (r *Record) Smalls() [3]*uint8 {
	return [...]*uint8{(*uint8)(&r.Protocol), (*uint8)(&r.Outcome), (*uint8)(&r.Grade)}
}

// Texts are a record's texts, in the order of the store's columns for them, those that most records do not have last.
func (r *Record) Texts() [19]*string {
	return [...]*string{&r.Device, &r.SrcCountry, &r.DstCountry, &r.Action, &r.Rule, &r.RuleID, &r.Subtype, &r.Type,
		&r.Application, &r.FromZone, &r.ToZone, &r.SessionEndReason,
		&r.SrcUser, &r.ThreatName, &r.ThreatID, &r.Severity, &r.Direction, &r.Category, &r.Client}
}
