package dataplane

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/xmltree"
)

// session is an allowed session, or one that is being refused.
type session struct {
	id     uint32
	vsys   string
	packet traffic.Packet
	rule   *traffic.SecurityRule
	began  time.Time
}

// sessionTable holds the sessions that stand. The zero value is empty.
type sessionTable struct {
	first, last uint32 // numbers: no session below first stands, last was the last given
	standing    map[uint32]*session
}

// maxSessions bounds the table; the oldest goes first.
const maxSessions = 100_000

// number gives the next session's.
func (t *sessionTable) number() uint32 {
	t.last++
	return t.last
}

// add puts a session into the table, and gives the one that has to go for it, or nil.
func (t *sessionTable) add(s *session) *session {
	if t.standing == nil {
		t.standing = map[uint32]*session{}
	}
	t.standing[s.id] = s
	if len(t.standing) <= maxSessions {
		return nil
	}
	for t.standing[t.first] == nil {
		t.first++
	}
	return t.remove(t.first)
}

// remove takes a session out of the table and gives it; nil: there is none of that number.
func (t *sessionTable) remove(id uint32) *session {
	s := t.standing[id]
	delete(t.standing, id)
	return s
}

// order gives the numbers, oldest first.
func (t *sessionTable) order() []uint32 { return slices.Sorted(maps.Keys(t.standing)) }

// sessionFilter chooses sessions; the zero value chooses all.
type sessionFilter struct {
	vsys  string
	tests []func(*session) bool
}

func (f *sessionFilter) chooses(s *session) bool {
	if f.vsys != "" && s.vsys != f.vsys {
		return false
	}
	for _, test := range f.tests {
		if !test(s) {
			return false
		}
	}
	return true
}

// sessionTests reads one element of a filter, by its name; false: the value is none.
//
// The names are those of the command line ("show session all filter source 192.0.2.1"); clients send the same over
// the API. That source and destination take networks is unverified, so they do not.
var sessionTests = map[string]func(value string) (func(*session) bool, bool){
	"source": func(v string) (func(*session) bool, bool) {
		a, err := netip.ParseAddr(v)
		return func(s *session) bool { return s.packet.Source == a }, err == nil
	},
	"destination": func(v string) (func(*session) bool, bool) {
		a, err := netip.ParseAddr(v)
		return func(s *session) bool { return s.packet.Destination == a }, err == nil
	},
	"source-port": func(v string) (func(*session) bool, bool) {
		n, err := strconv.ParseUint(v, 10, 16)
		return func(s *session) bool { return s.packet.SourcePort == uint16(n) }, err == nil
	},
	"destination-port": func(v string) (func(*session) bool, bool) {
		n, err := strconv.ParseUint(v, 10, 16)
		return func(s *session) bool { return s.packet.DestinationPort == uint16(n) }, err == nil
	},
	"protocol": func(v string) (func(*session) bool, bool) {
		n, err := strconv.ParseUint(v, 10, 8)
		return func(s *session) bool { return s.packet.ProtocolNumber() == int(n) }, err == nil
	},
	"application": func(v string) (func(*session) bool, bool) {
		return func(s *session) bool { return s.packet.Application == v }, v != ""
	},
	"rule": func(v string) (func(*session) bool, bool) {
		return func(s *session) bool { return s.rule.Name == v }, v != ""
	},
	"from": func(v string) (func(*session) bool, bool) {
		return func(s *session) bool { return s.packet.From == v }, v != ""
	},
	"to": func(v string) (func(*session) bool, bool) {
		return func(s *session) bool { return s.packet.To == v }, v != ""
	},
}

// parseSessionFilter reads the element all of a command: empty, or with a filter.
func (d *Plane) parseSessionFilter(r answer.Request) (f sessionFilter, count bool, refusal *answer.Answer) {
	if r.VSys != "" {
		if !d.o.Registry.Has(r.VSys) {
			a := answer.InvalidVSys(r.VSys)
			return f, false, &a
		}
		f.vsys = r.VSys
	}
	for _, e := range filterElements(r.At) {
		if e.Name == "count" {
			count = e.Text == "yes"
			continue
		}
		read, known := sessionTests[e.Name]
		if !known {
			a := answer.Failure(17, r.Command.Name+" -> session -> all -> filter -> "+e.Name+" is unexpected")
			return f, false, &a
		}
		test, ok := read(e.Text)
		if !ok {
			a := answer.Failure(17, r.Command.Name+" -> session -> all -> filter -> "+e.Name+" '"+e.Text+"' is invalid")
			return f, false, &a
		}
		f.tests = append(f.tests, test)
	}
	return f, count, nil
}

func filterElements(all *xmltree.Element) []*xmltree.Element {
	if filter := all.Child("filter"); filter != nil {
		return filter.Children
	}
	return nil
}

// ShowSessions answers "show session all". The elements and their order are those of recorded answers.
func (d *Plane) ShowSessions(r answer.Request) answer.Answer {
	filter, count, refusal := d.parseSessionFilter(r)
	if refusal != nil {
		return *refusal
	}
	var b strings.Builder
	n := 0
	for _, id := range d.sessions.order() {
		if session := d.sessions.standing[id]; filter.chooses(session) {
			n++
			session.write(&b)
		}
	}
	if count {
		return answer.Success("<result><member>" + strconv.Itoa(n) + "</member></result>")
	}
	return answer.Success("<result>" + b.String() + "</result>")
}

// ShowSession answers "show session id".
func (d *Plane) ShowSession(r answer.Request) answer.Answer {
	session := d.sessions.standing[sessionNumber(r.At)]
	if session == nil {
		// Unverified.
		return answer.Failure(17, "session "+r.At.Text+" does not exist")
	}
	var b strings.Builder
	session.write(&b)
	return answer.Success("<result>" + b.String() + "</result>")
}

// sessionNumber reads the number of a session; 0, which no session has, for anything else.
func sessionNumber(e *xmltree.Element) uint32 {
	n, err := strconv.ParseUint(e.Text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

func (s *session) write(b *strings.Builder) {
	p := &s.packet
	b.WriteString("<entry>")
	answer.WriteFields(b, []answer.Field{
		{Name: "dst", Value: p.Destination.String()}, {Name: "xsource", Value: p.Source.String()}, {Name: "source", Value: p.Source.String()},
		{Name: "xdst", Value: p.Destination.String()}, {Name: "xsport", Value: strconv.Itoa(int(p.SourcePort))}, {Name: "xdport", Value: strconv.Itoa(int(p.DestinationPort))},
		{Name: "sport", Value: strconv.Itoa(int(p.SourcePort))}, {Name: "dport", Value: strconv.Itoa(int(p.DestinationPort))},
		{Name: "proto", Value: strconv.Itoa(p.ProtocolNumber())}, {Name: "from", Value: p.From}, {Name: "to", Value: p.To},
		{Name: "start-time", Value: s.began.Format("Mon Jan _2 15:04:05 2006")}, {Name: "nat", Value: "False"}, {Name: "srcnat", Value: "False"}, {Name: "dstnat", Value: "False"},
		{Name: "proxy", Value: "False"}, {Name: "decrypt-mirror", Value: "False"}, {Name: "state", Value: "ACTIVE"}, {Name: "type", Value: "FLOW"}, {Name: "total-byte-count", Value: "60"},
		{Name: "idx", Value: strconv.FormatUint(uint64(s.id), 10)}, {Name: "vsys", Value: s.vsys}, {Name: "application", Value: p.Application},
		{Name: "security-rule", Value: s.rule.Name}, {Name: "ingress", Value: "ethernet1/1"}, {Name: "egress", Value: "ethernet1/2"},
	})
	b.WriteString("</entry>")
}

// ClearSessions answers "clear session all". The answer is recorded from PAN-OS; whether it differs when no session
// was chosen is unverified.
func (d *Plane) ClearSessions(r answer.Request) (answer.Answer, []logs.Line) {
	filter, _, refusal := d.parseSessionFilter(r)
	if refusal != nil {
		return *refusal, nil
	}
	var lines []logs.Line
	now := d.o.Now()
	for _, id := range d.sessions.order() {
		if filter.chooses(d.sessions.standing[id]) {
			lines = append(lines, d.end(d.sessions.remove(id), "n/a", now)...)
		}
	}
	return answer.Success("<result>\n  <member>sessions cleared</member>\n</result>"), lines
}

// ClearSession answers "clear session id"; both texts are unverified.
func (d *Plane) ClearSession(r answer.Request) (answer.Answer, []logs.Line) {
	session := d.sessions.remove(sessionNumber(r.At))
	if session == nil {
		return answer.Failure(17, "session "+r.At.Text+" does not exist"), nil
	}
	return answer.Success("<result><member>session " + r.At.Text + " cleared</member></result>"), d.end(session, "n/a", d.o.Now())
}
