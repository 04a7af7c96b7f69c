package pattern

import (
	"bytes"
	"errors"
	"math/bits"
	"regexp"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// MaxLine is how long a line is at most that is whole for certain, in bytes. Relays cut messages off: rsyslog, as it is shipped, at 8 KiB, and splits or cuts
// what is longer. Of a line that reaches this, $ matches nowhere.
const MaxLine = 8000

// mostRead is how much of a line is read, in bytes: web servers take a request of 8 KiB, and log what became of it behind that.
const mostRead = 12000

// maxMerged is how long a message may be that rsyslog merged with its like: it cuts them off at 800 characters.
const maxMerged = 700

// Busybox's syslogd cuts off what it receives at its buffer (FEATURE_SYSLOGD_READ_BUFFER_SIZE): 255 bytes on Alpine, 1023 elsewhere, and what else somebody chose,
// so that what is longer counts as cut as well. In its file 5 bytes of priority may be gone from those, and control characters take two.
const maxBusybox = 249

// busybox begins what it writes, with facility and severity or, with -S, without a host, and what it sends, as it came: without a host. A tag with a hyphen and no
// process is one of Dovecot's, in its own file.
var busybox = regexp.MustCompile(`^(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:\S+ ` + facility + ` |\S+\[\d+\]: |[^\s-]+: )`)

// passed is why a line that is no fault gives no event.
type passed string

func (e passed) Error() string        { return string(e) }
func (e passed) Is(target error) bool { return target == detect.ErrNoEvent }

// ErrNoMatch is why a line is passed over: it is [detect.ErrNoEvent].
var ErrNoMatch error = passed("no pattern takes the line")

// ErrNoAddress is the fault of a line that a pattern takes and that tells of nobody.
var ErrNoAddress = errors.New("what the group src took is no address, so that the line counts for nobody: have the program log addresses and not the names of hosts, or mend the pattern")

// gone is what sshd writes for the address of a client that closed its connection before it was asked for (canohost.c): there is nothing to mend.
const gone = "UNKNOWN"

// Options of a Parser. The zero value is usable.
type Options struct {
	Location *time.Location // the zone of times without one; nil: time.Local
}

// Parser turns lines into events. It is not safe for concurrent use: it holds the strings that it has seen. Its memory is bounded
// whatever the lines hold.
type Parser struct {
	set      *Set
	clock    *panos.Clock
	possible []uint64 // patterns that may take the line, a bit each
	took     int
	joined   []byte
	texts    struct{ device, user, action, severity, threat panos.Texts }
}

// New makes a Parser for a set.
func New(s *Set, o Options) *Parser {
	return &Parser{set: s, clock: panos.NewClock(o.Location), possible: make([]uint64, len(s.filter.always)), took: -1}
}

// Parse reads one line, without its newline, into *ev: every field but Ref is set or zeroed, also when an error is returned (then to no
// particular value). at is the time of reading: see section Time of the package. A line that no pattern takes is not allocated for.
//
// The event is of [detect.TypeLog]; Subtype is the pattern's event, Device the host of the syslog header, "" where there is none. What a
// group took that is no address of a destination, or no port, is left out. Repeat counts messages that rsyslog merged into one
// ($RepeatedMsgReduction), times what the group repeat took.
//
// The error is ErrNoMatch, also where the source is gone, or a fault: ErrNoAddress, or a group time that cannot be read.
func (p *Parser) Parse(line []byte, at time.Time, ev *detect.Event) error {
	*ev = detect.Event{Ref: ev.Ref, Repeat: 1}
	line = p.whole(line, ev)
	loc := p.match(line)
	if loc == nil {
		return ErrNoMatch
	}
	c := &p.set.patterns[p.took]
	group := func(field int) []byte {
		n := c.groups[field]
		if n == 0 || loc[2*n] < 0 {
			return nil
		}
		return line[loc[2*n]:loc[2*n+1]]
	}
	var ok bool
	if ev.Src, ok = panos.Address(group(src)); !ok {
		if string(group(src)) == gone {
			p.took = -1
			return ErrNoMatch
		}
		return ErrNoAddress
	}
	ev.Type, ev.Subtype, ev.Proven = detect.TypeLog, c.Event, c.Proven
	ev.Dst, _ = panos.Address(group(dst))
	ev.SrcPort, ev.DstPort = panos.Port(group(srcPort)), panos.Port(group(dstPort))
	ev.SrcUser, ev.Action = p.texts.user.Get(group(srcUser)), p.texts.action.Get(group(action))
	ev.Severity, ev.ThreatName = p.texts.severity.Get(group(severity)), p.texts.threat.Get(group(threatName))
	if n := c.repeat; n > 0 && loc[2*n] >= 0 {
		ev.Repeat *= attempts(line[loc[2*n]:loc[2*n+1]])
	}
	stamp, host, _ := panos.SyslogHeader(line)
	ev.Device = p.texts.device.Get(host)
	return p.setTime(ev, c, group(when), stamp, at)
}

// attempts reads how many a line tells of: 1 at least, maxRepeat at most, and 1 where it is no number.
func attempts(text []byte) uint32 {
	n := uint32(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 1
		}
		n = min(n*10+uint32(c-'0'), maxRepeat)
	}
	return max(n, 1)
}

// Took is which pattern took the line that was parsed last; -1: none did.
func (p *Parser) Took() int { return p.took }

// Tries tells whether a pattern would take a line, were it the only one.
func (p *Parser) Tries(pattern int, line []byte) bool {
	line = p.whole(line, &detect.Event{})
	return p.possibly(line) && p.possible[pattern/64]>>(pattern%64)&1 == 1 && p.set.patterns[pattern].re.Match(line)
}

func (p *Parser) possibly(line []byte) bool { return p.set.filter.candidates(line, p.possible) }

// match finds the first pattern that takes a line, and what its groups took; nil: none does.
func (p *Parser) match(line []byte) []int {
	p.took = -1
	if !p.possibly(line) {
		return nil
	}
	for word, left := range p.possible {
		for ; left != 0; left &= left - 1 {
			i := word*64 + bits.TrailingZeros64(left)
			if loc := p.set.patterns[i].re.FindSubmatchIndex(line); loc != nil {
				p.took = i
				return loc
			}
		}
	}
	return nil
}

// cut stands where the end of a line was cut off, so that it ends in nothing that a stranger wrote.
const cut = 0

// whole gives the line as its program wrote it, or with cut behind what there is of it. Blanks at the end count: it may have been cut off in them.
func (p *Parser) whole(raw []byte, ev *detect.Event) []byte {
	line := trimEnd(raw)
	if len(raw) >= MaxLine || len(raw) > maxBusybox && busybox.Match(raw) {
		line = append(append(p.joined[:0], line[:min(len(line), mostRead)]...), cut)
		p.joined = line
		return line
	}
	if n := len(line); n > 0 && line[n-1] == ']' {
		return p.undoRepeat(line, ev)
	}
	return line
}

const (
	repeated = " message repeated "
	times    = " times: ["
)

// merged is the header of RFC 5424, behind which rsyslog has a merged message.
var merged = regexp.MustCompile(`^(?:<\d{1,3}>)?1 \S+ \S+ \S+ \S+ \S+ ` + structured + ` {1,2}(?:\x{FEFF} ?)?message repeated `)

// undoRepeat puts a message together again that rsyslog merged with its like: "sshd[7]: message repeated 3 times: [ Failed ...]". It does
// so only where that stands right behind the tag, or the header of RFC 5424: what stands further on, a stranger may have written.
func (p *Parser) undoRepeat(line []byte, ev *detect.Event) []byte {
	stamp, _, start := panos.SyslogHeader(line)
	if stamp == nil {
		return line
	}
	space := bytes.IndexByte(line[start:], ' ')
	at := merged.FindIndex(line)
	switch {
	case at != nil:
		start, space = at[1]-len(repeated), 0
	case space < 1 || line[start+space-1] != ':' || !bytes.HasPrefix(line[start+space:], []byte(repeated)):
		return line
	}
	tag, rest := line[:start+space], line[start+space+len(repeated):]
	count, n := 0, 0
	for ; n < len(rest) && n < 6 && rest[n] >= '0' && rest[n] <= '9'; n++ {
		count = count*10 + int(rest[n]-'0')
	}
	if count == 0 || !bytes.HasPrefix(rest[n:], []byte(times)) {
		return line
	}
	inner := bytes.TrimPrefix(rest[n+len(times):len(rest)-1], []byte(" "))
	ev.Repeat = uint32(count)
	p.joined = append(append(append(p.joined[:0], tag...), ' '), inner...)
	if len(inner) > maxMerged {
		p.joined = append(p.joined, cut)
	}
	return p.joined
}

// trimEnd drops what senders and relays leave at the end of a line.
func trimEnd(b []byte) []byte { return bytes.TrimRight(b, " \t\r\n\x00") }
