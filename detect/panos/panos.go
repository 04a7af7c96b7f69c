package panos

import (
	"fmt"
	"strings"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos/extension"
)

// Format is the layout of a log record.
type Format uint8

// Auto, the zero value, decides anew for each line.
const (
	Auto Format = iota
	KV
	CSV
	CEF
	LEEF
)

// String gives the name that ParseFormat reads.
func (f Format) String() string {
	switch f {
	case Auto:
		return "auto"
	case KV:
		return "kv"
	case CSV:
		return "csv"
	case CEF:
		return "cef"
	case LEEF:
		return "leef"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// ParseFormat reads "auto", "kv", "csv", "cef" or "leef", in any case; "" is Auto.
func ParseFormat(s string) (Format, error) {
	if s == "" {
		return Auto, nil
	}
	for f := Auto; f <= LEEF; f++ {
		if strings.EqualFold(s, f.String()) {
			return f, nil
		}
	}
	return Auto, fmt.Errorf("format %q: expected auto, kv, csv, cef or leef", s)
}

// Options of a Parser. The zero value is usable.
type Options struct {
	// Format of the lines. With another than Auto, a line in another format is ErrNoFormat.
	Format Format
	// Location is the zone of the firewall's clock, for times without a zone of
	// their own; nil means time.Local.
	Location *time.Location
}

// Parser turns lines into events. It is not safe for concurrent use: it holds the
// strings it has seen and what it last computed about the zone. Its memory is
// bounded whatever the lines hold.
type Parser struct {
	format Format
	clock  clock
	names  names
	csv    splitter
	front  front
	// Scratch space: the values of a line, the keys found in one
	// that needs a second look, a message put together again, a value taken out of its quotes.
	values values
	login  loginValues
	// CEF and LEEF, and the times of Strata's with their zone.
	extension extension.Reader
	zoned     [2][40]byte
	cands     []candidate
	joined    []byte
	buf       []byte
}

// New makes a Parser.
func New(o Options) *Parser {
	loc := o.Location
	if loc == nil {
		loc = time.Local
	}
	return &Parser{format: o.Format, clock: clock{loc: loc}}
}

// Parse reads one line, without its newline, into *ev: every field but Ref is set
// or zeroed, also when an error is returned (then to no particular value). `at` is
// the time of reading: it gives the year to headers that have none, and stands in
// when the line holds no time that can be read.
//
// The time is TimeReceived in the Location; of a comma-separated record, CEF and LEEF, the time of its generation, high-resolution
// where that is there and agrees, else its receive time; else that of the syslog header, else `at`. Years outside 1990
// to 2100 are passed over; a time that cannot be read, of another year than a header without one is taken for, is ErrBadTime.
// It is always in UTC. A local time that the firewall's clock passed twice is the one that
// an offset in the line allows, else the one after which the header was written; where neither tells, it is the
// first, and Later is set. The line alone decides, never the ones before it, so that several parsers of one source agree.
//
// Strings are valid UTF-8 without control characters and at most MaxValue bytes
// long; bytes that are no UTF-8 are read as Latin-1. The line is not kept. Parse
// does not allocate when it has seen all strings of the line before, unless one of
// them is very long.
//
// The error is ErrIgnored or one of the faults of this package. With ErrCut the event holds what the record says all the same:
// that a login failed, when, and on which device.
func (p *Parser) Parse(line []byte, at time.Time, ev *detect.Event) error {
	*ev = detect.Event{Ref: ev.Ref, Repeat: 1}
	line = trimEnd(line)
	if len(line) == 0 {
		return ErrIgnored
	}
	h, ok := p.front.again(line)
	if !ok {
		switch h, ok = splitHeader(line); {
		case ok:
			p.front.keep(line, &h)
		case !p.joinTag(&h):
			return ErrNoFormat
		}
	}
	if h.kind == kindRepeat || hasPrefix(fromSpace(h.body), repeatMark) {
		h = p.undoRepeat(h, ev)
	}
	if err := p.accept(h.kind); err != nil {
		return err
	}
	switch h.kind {
	case kindKV:
		return p.parseKV(&h, at, ev)
	case kindCSV:
		return p.parseCSV(&h, at, ev)
	}
	return p.parseExtension(&h, at, ev)
}

// accept says whether a record of this kind is to be read.
func (p *Parser) accept(k kind) error {
	switch k {
	case kindCloud:
		return ErrCloudFormat
	case kindJSON:
		return ErrJSON
	case kindKV, kindCSV, kindCEF, kindLEEF:
		if p.format == Auto || p.format == formatOf[k] {
			return nil
		}
	}
	return ErrNoFormat
}

// formatOf gives the format of a kind of record.
var formatOf = [...]Format{kindKV: KV, kindCSV: CSV, kindCEF: CEF, kindLEEF: LEEF}
