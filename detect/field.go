package detect

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Field is a field of a record as a CustomRule names it. Those of the ends of a record are of who did it and to whom: in a record of
// our server's refusal of a login, who did it may be the destination. The zero value is none.
type Field uint8

// The fields that there are. FieldOutcome is what became of the session: "refused", "answered" or "late-answer".
const (
	FieldUnknown Field = iota
	FieldDevice
	FieldSrc
	FieldSrcPort
	FieldSrcUser
	FieldSrcCountry
	FieldDst
	FieldDstPort
	FieldDstCountry
	FieldAction
	FieldRule
	FieldRuleID
	FieldThreatName
	FieldThreatID
	FieldSeverity
	FieldSubtype
	FieldType
	FieldApplication
	FieldFromZone
	FieldToZone
	FieldEndReason
	FieldOutcome
)

// fieldNames are those of the records that `activedefense records` gives.
var fieldNames = [...]string{FieldUnknown: "", FieldDevice: "device", FieldSrc: "src", FieldSrcPort: "src_port", FieldSrcUser: "src_user", FieldSrcCountry: "src_country",
	FieldDst: "dst", FieldDstPort: "dst_port", FieldDstCountry: "dst_country", FieldAction: "action", FieldRule: "rule", FieldRuleID: "rule_id",
	FieldThreatName: "threat_name", FieldThreatID: "threat_id", FieldSeverity: "severity", FieldSubtype: "subtype", FieldType: "type",
	FieldApplication: "application", FieldFromZone: "from_zone", FieldToZone: "to_zone", FieldEndReason: "session_end_reason", FieldOutcome: "outcome"}

// indexedFields are those by which a rule is found, the one that tells most rules apart first.
var indexedFields = []Field{FieldThreatID, FieldDstPort, FieldThreatName, FieldSrcUser, FieldRuleID, FieldRule, FieldDevice, FieldApplication, FieldSrcPort,
	FieldSrcCountry, FieldSubtype, FieldFromZone, FieldToZone, FieldSeverity, FieldEndReason, FieldAction, FieldType}

// FieldNamed gives the field of a name; FieldUnknown: there is none.
func FieldNamed(name string) Field {
	return Field(max(slices.Index(fieldNames[:], name), 0))
}

// String gives the name.
func (f Field) String() string { return fieldNames[f] }

func (f Field) isNumber() bool  { return f == FieldSrcPort || f == FieldDstPort || f == FieldThreatID }
func (f Field) isAddress() bool { return f == FieldSrc || f == FieldDst }

// number is the value of a field that is one; 0 where the record has none.
func (f Field) number(ev *Event, p *party) uint32 {
	switch f {
	case FieldSrcPort:
		return uint32(p.port)
	case FieldDstPort:
		return uint32(p.dstPort)
	case FieldThreatID:
		return threatID(ev)
	}
	return 0
}

// address is the value of a field that is one; the zero Addr where the record has none.
func (f Field) address(p *party) netip.Addr {
	if f == FieldSrc {
		return p.addr
	}
	return plain(p.dst)
}

// text is the value of any other field; "" where the record has none.
func (f Field) text(ev *Event, p *party, became Session) string {
	if p.reversed {
		switch f {
		case FieldSrcCountry:
			f = FieldDstCountry
		case FieldDstCountry:
			f = FieldSrcCountry
		case FieldFromZone:
			f = FieldToZone
		case FieldToZone:
			f = FieldFromZone
		}
	}
	switch f {
	case FieldDevice:
		return ev.Device
	case FieldSrcUser:
		return ev.SrcUser
	case FieldSrcCountry:
		return ev.SrcCountry
	case FieldDstCountry:
		return ev.DstCountry
	case FieldAction:
		return ev.Action
	case FieldRule:
		return ev.Rule
	case FieldRuleID:
		return ev.RuleID
	case FieldThreatName:
		return ev.ThreatName
	case FieldSeverity:
		return ev.Severity
	case FieldSubtype:
		return ev.Subtype
	case FieldType:
		return ev.Type.String()
	case FieldApplication:
		return ev.Application
	case FieldFromZone:
		return ev.SrcZone
	case FieldToZone:
		return ev.DstZone
	case FieldEndReason:
		return ev.EndReason
	case FieldOutcome:
		return became.String()
	}
	return ""
}

// has tells whether a record has a value of a field.
func (f Field) has(ev *Event, p *party, became Session) bool {
	switch {
	case f.isNumber():
		return f.number(ev, p) != 0
	case f.isAddress():
		return f.address(p).IsValid()
	}
	return f.text(ev, p, became) != ""
}

// value writes a field's value out.
func (f Field) value(ev *Event, p *party, became Session) string {
	switch {
	case f.isNumber():
		return strconv.FormatUint(uint64(f.number(ev, p)), 10)
	case f.isAddress():
		if addr := f.address(p); addr.IsValid() {
			return addr.String()
		}
		return ""
	}
	return f.text(ev, p, became)
}

// spreadFields makes a number of the values of some fields, texts without regard to case; 0 of none. Two that differ have one number as
// rarely as two of 64 bits drawn by lot, and nobody can choose them so: the seed was drawn, and is kept with what is remembered.
func spreadFields(e *Engine, fields []Field, ev *Event, p *party, became Session) uint64 {
	if len(fields) == 0 {
		return 0
	}
	if len(fields) == 1 && fields[0].isNumber() {
		return uint64(fields[0].number(ev, p))
	}
	var room [128]byte
	b := room[:0]
	for _, f := range fields {
		switch {
		case f.isNumber():
			b = binary.BigEndian.AppendUint32(b, f.number(ev, p))
		case f.isAddress():
			addr := f.address(p).As16()
			b = append(b, addr[:]...)
		default:
			text := f.text(ev, p, became)
			for i := range len(text) {
				b = append(b, small(text[i]))
			}
			b = append(b, 0)
		}
	}
	return e.seed.Sum(b)
}

// small gives the small letter of an ASCII letter.
func small(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// digest names what a rule counts together with a record, as the memory has it: the same after a restart and after a change of
// other rules.
func (r *custom) digest(ev *Event, w *watched, became Session) (key [16]byte) {
	var b []byte
	b = append(append(b, r.set.Name...), 0)
	b = append(b, w.key[:]...)
	for _, f := range r.set.Per {
		b = append(append(b, strings.ToLower(f.value(ev, &w.party, became))...), 0)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:])
}
