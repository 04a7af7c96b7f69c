package block

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Filter selects records: those that meet every field that is set, and of a field with several values any of them. Texts are compared as
// MatchText does; "*" stands for any characters in User alone. An empty text among several is met by a record that has none.
type Filter struct {
	Since, Until           time.Time      // from Since on, before Until
	Src, Dst               []netip.Prefix // as the store's networks are: masked, IPv4 not as IPv6
	SrcPort, DstPort       []PortRange
	SrcCountry, DstCountry []string
	User                   []string
	Severity, Device       []string
	Action, Type, Subtype  []string
	Rule, ThreatID         []string // the rule's name
	Application            []string
	Zone                   []string // of either side
	EndReason              []string // of the session
	Outcome                []Outcome
	Grade                  []Grade
	Files                  []FileKey // nil: of any; empty: of none
}

// FileKey is a file that an agent reads.
type FileKey struct{ Agent, ID int64 }

// PortRange are the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// plan is a filter, made ready to be held against columns.
type plan struct {
	since, until int64 // microseconds; since included, until not
	addresses    []addressTerm
	ports        []portTerm
	texts        []textTerm
	files        map[FileKey]struct{} // nil: any
}

type addressTerm struct {
	column  int // colSrc or colDst
	v4      []span[uint32]
	v6      []span[string] // as 16 bytes each
	singles []netip.Addr   // all that are wanted, if each is one address
}

type portTerm struct {
	column int // colSrcPort or colDstPort
	ranges []span[uint32]
	wanted [1 << 10]uint64 // the ports of the ranges
}

// textTerm is met by any of its columns.
type textTerm struct {
	texts []int // numbers in Columns.texts
	want  []string
	stars bool
}

// span is a stretch, both ends included.
type span[T any] struct{ first, last T }

const (
	earliest = -1 << 63
	latest   = 1<<63 - 1
)

func newPlan(f *Filter) *plan {
	p := &plan{since: earliest, until: latest}
	if !f.Since.IsZero() {
		p.since = roundUp(f.Since)
	}
	if !f.Until.IsZero() {
		p.until = roundUp(f.Until)
	}
	p.addAddresses(colSrc, f.Src)
	p.addAddresses(colDst, f.Dst)
	p.addPorts(colSrcPort, f.SrcPort)
	p.addPorts(colDstPort, f.DstPort)
	for i, want := range [...][]string{f.Device, f.SrcCountry, f.DstCountry, f.Action, f.Rule, nil, f.Subtype, f.Type, f.Application, nil, nil, f.EndReason, f.User, nil, f.ThreatID, f.Severity} {
		p.addText(want, i == userText, i)
	}
	p.addText(f.Zone, false, slices.Index(textNames[:], "from_zone"), slices.Index(textNames[:], "to_zone"))
	p.addText(wordsOf(f.Outcome, outcomes[:]), false, firstWord+1)
	p.addText(wordsOf(f.Grade, grades[:]), false, firstWord+2)
	if f.Files != nil {
		p.files = make(map[FileKey]struct{}, len(f.Files))
		for _, k := range f.Files {
			p.files[k] = struct{}{}
		}
	}
	return p
}

// userText is the number of the users among the texts.
const userText = 12

// roundUp gives the first microsecond that is not before t: records have whole ones.
func roundUp(t time.Time) int64 {
	micros := t.UnixMicro()
	if time.UnixMicro(micros).Before(t) {
		micros++
	}
	return micros
}

func wordsOf[T ~uint8](numbers []T, words []string) (list []string) {
	for _, n := range numbers {
		list = append(list, wordOf(n, words))
	}
	return list
}

func (p *plan) addText(want []string, stars bool, texts ...int) {
	if len(want) == 0 {
		return
	}
	t := textTerm{texts: texts, stars: stars}
	for _, s := range want {
		t.want = append(t.want, Clean(s))
	}
	p.texts = append(p.texts, t)
}

func (p *plan) addPorts(column int, ranges []PortRange) {
	if len(ranges) == 0 {
		return
	}
	t := portTerm{column: column}
	for _, r := range ranges {
		t.ranges = append(t.ranges, span[uint32]{uint32(r.First), uint32(r.Last)})
		for port := int(r.First); port <= int(r.Last); port++ {
			t.wanted[port/64] |= 1 << (port % 64)
		}
	}
	p.ports = append(p.ports, t)
}

func (p *plan) addAddresses(column int, networks []netip.Prefix) {
	if len(networks) == 0 {
		return
	}
	t := addressTerm{column: column}
	single := true
	for _, n := range networks {
		first := n.Masked().Addr().AsSlice()
		last := slices.Clone(first)
		for i := n.Bits(); i < 8*len(last); i++ {
			last[i/8] |= 0x80 >> (i % 8)
		}
		if n.Addr().Is4() {
			t.v4 = append(t.v4, span[uint32]{binary.BigEndian.Uint32(first), binary.BigEndian.Uint32(last)})
		} else {
			t.v6 = append(t.v6, span[string]{string(first), string(last)})
		}
		single = single && n.IsSingleIP()
		t.singles = append(t.singles, n.Addr())
	}
	if !single {
		t.singles = nil
	}
	p.addresses = append(p.addresses, t)
}

// has tells whether the address of a record is a wanted one.
func (t *addressTerm) has(a *addresses, i int32) bool {
	switch a.family[i] {
	case 4:
		v4 := a.v4[i]
		for _, s := range t.v4 {
			if s.first <= v4 && v4 <= s.last {
				return true
			}
		}
	case 6:
		for _, s := range t.v6 {
			if v6 := string(a.v6[i][:]); s.first <= v6 && v6 <= s.last {
				return true
			}
		}
	}
	return false
}

// matches tells which of the different texts of a column are wanted, and whether all or none of them are.
func (t *textTerm) matches(different []string) (wanted []bool, all, none bool) {
	wanted, all, none = make([]bool, len(different)), true, true
	for i, s := range different {
		wanted[i] = slices.ContainsFunc(t.want, func(want string) bool { return MatchText(want, s, t.stars) })
		all, none = all && wanted[i], none && !wanted[i]
	}
	return wanted, all, none
}
