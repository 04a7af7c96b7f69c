package extension

import (
	"bytes"
	"errors"
)

// Faults of a record, fixed values.
var (
	// ErrOther: another product wrote it.
	ErrOther = errors.New("a CEF or LEEF record of another product: expected Palo Alto Networks|PAN-OS, |PAN-OS Syslog Integration, |Next Generation Firewall or |LF in its header")
	// ErrHeader: it is cut off in its header, or has another one.
	ErrHeader = errors.New("not the header of a CEF or LEEF record: expected CEF:0|Palo Alto Networks|PAN-OS|version| with type and subtype, or LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|version|event| and attributes")
)

// header is what stands ahead of the keys.
type header struct {
	cloud     bool
	log       []byte // CEF: the type of the log, such as TRAFFIC
	signature []byte // CEF: the other one of signature and name; LEEF: the event
	severity  []byte
}

// Cloud says whether Strata Logging Service wrote the record last read: its times without a zone are in UTC.
func (r *Reader) Cloud() bool { return r.cloud }

// Log gives the type of the log that the header of the CEF record last read names, such as "TRAFFIC"; nothing of LEEF.
func (r *Reader) Log() []byte { return r.log }

// Signature gives what else the header names: of CEF the subtype or the threat, of LEEF the event.
func (r *Reader) Signature() []byte { return r.signature }

// HeaderSeverity gives the severity in the header, a number; nothing of LEEF.
func (r *Reader) HeaderSeverity() []byte { return r.severity }

const vendor = "Palo Alto Networks"

// CEF takes a record apart, which begins with "CEF:". The error is [ErrOther] or [ErrHeader].
func (r *Reader) CEF(b []byte) error {
	b = b[len("CEF:"):]
	if !hasHeaderOfLate(r, b) {
		rest, err := r.begin(b)
		if err != nil {
			return err
		}
		if !r.readTypes(rest) {
			return ErrHeader
		}
		keepHeader(r, b)
	}
	r.scan(cef, cefKeys, ' ')
	return nil
}

// headerOfLate is the header of a CEF record, and what is in it.
type headerOfLate struct {
	text []byte
	header
}

// hasHeaderOfLate says whether a record has the header of one of late, as most have, and takes it.
func hasHeaderOfLate(r *Reader, b []byte) bool {
	for i := range r.ofLate {
		h := &r.ofLate[i]
		if n := len(h.text); n > 0 && len(b) > n && string(b[:n]) == string(h.text) {
			r.header, r.text = h.header, b[n:]
			return true
		}
	}
	return false
}

// keepHeader keeps the header that was read.
func keepHeader(r *Reader, b []byte) {
	n := len(b) - len(r.text)
	if n > longestBegin || len(r.severity) == 0 {
		return // without a severity another one might have it
	}
	h := &r.ofLate[r.nextOfLate]
	r.nextOfLate = (r.nextOfLate + 1) % len(r.ofLate)
	h.text = append(h.text[:0], b[:n]...)
	kept := func(part []byte) []byte {
		if part == nil {
			return nil
		}
		at := cap(b) - cap(part)
		return h.text[at : at+len(part)]
	}
	h.header = header{cloud: r.cloud, log: kept(r.log), signature: kept(r.signature), severity: kept(r.severity)}
}

// begin reads version, vendor, product and the product's version.
func (r *Reader) begin(b []byte) (rest []byte, err error) {
	whole := b
	if n := len(r.begun); n > 0 && len(b) > n && string(b[:n]) == string(r.begun) {
		r.header = header{cloud: r.begunInCloud} // as the record ahead
		return b[n:], nil
	}
	r.header = header{}
	_, b, ok := bytes.Cut(b, []byte{'|'})
	if !ok {
		return nil, ErrHeader
	}
	maker, b, ok := bytes.Cut(b, []byte{'|'})
	if !ok {
		return nil, ErrHeader
	}
	if string(maker) != vendor {
		return nil, ErrOther
	}
	product, b, ok := bytes.Cut(b, []byte{'|'})
	if !ok {
		return nil, ErrHeader
	}
	switch string(product) {
	case "LF", "Next Generation Firewall":
		r.cloud = true
	case "PAN-OS", "PAN-OS Syslog Integration":
	default:
		return nil, ErrOther
	}
	if _, b, ok = bytes.Cut(b, []byte{'|'}); !ok {
		return nil, ErrHeader
	}
	if n := len(whole) - len(b); n <= longestBegin {
		r.begun, r.begunInCloud = append(r.begun[:0], whole[:n]...), r.cloud
	}
	return b, nil
}

// longestBegin bounds what is kept of a header.
const longestBegin = 128

// readTypes reads the types, one of which is that of the log, and the severity, if there is one. Strata, and PAN-OS in its template of GLOBALPROTECT,
// put the log first; a threat's name ahead of it may hold bars, which PAN-OS does not escape.
func (r *Reader) readTypes(b []byte) bool {
	first, rest, ok := bytes.Cut(b, []byte{'|'})
	if !ok {
		return false
	}
	second, behind, ok := bytes.Cut(rest, []byte{'|'})
	switch {
	case !ok:
		return false
	case isLog(first):
		r.log, r.signature = first, second
	default:
		for !isLog(second) {
			whole := len(b) - len(behind)
			if second, behind, ok = bytes.Cut(behind, []byte{'|'}); !ok || whole > longestHeader {
				return false
			}
		}
		r.log, r.signature = second, b[:len(b)-len(behind)-len(second)-2]
	}
	if n := bytes.IndexByte(behind, '|'); n >= 0 && n <= len("Very-High") && bytes.IndexByte(behind[:n], '=') < 0 {
		r.severity, behind = behind[:n], behind[n+1:]
	}
	r.text = behind
	return true
}

// longestHeader bounds where the type of the log is looked for.
const longestHeader = 1024

// isLog says whether b could be the type of a log: PAN-OS writes them in capitals.
func isLog(b []byte) bool {
	for _, c := range b {
		if c-'A' >= 26 && c != '-' && c != '_' {
			return false
		}
	}
	return len(b) >= len("GTP")
}

// LEEF takes a record apart, which begins with "LEEF:". The error is [ErrOther] or [ErrHeader].
func (r *Reader) LEEF(b []byte) error {
	b = b[len("LEEF:"):]
	rest, err := r.begin(b)
	if err != nil {
		return err
	}
	var ok bool
	if r.signature, r.text, ok = bytes.Cut(rest, []byte{'|'}); !ok {
		return ErrHeader
	}
	separator := r.separator(bytes.HasPrefix(bytes.TrimSpace(b), []byte{'2'}))
	if separator == '\t' {
		r.unwriteTabs()
	}
	r.scan(leef, leefKeys, separator)
	return nil
}

// unwriteTabs puts tabs where rsyslog wrote them out.
func (r *Reader) unwriteTabs() {
	b := r.text
	if bytes.IndexByte(b, '\t') >= 0 || !bytes.Contains(b, []byte(writtenTab)) {
		return
	}
	r.joined = r.joined[:0]
	for {
		i := bytes.Index(b, []byte(writtenTab))
		if i < 0 {
			break
		}
		r.joined = append(append(r.joined, b[:i]...), '\t')
		b = b[i+len(writtenTab):]
	}
	r.joined = append(r.joined, b...)
	r.text = r.joined
}

// writtenTab is a tab as rsyslog writes it.
const writtenTab = "#011"

// separator finds what stands between the attributes: in version 2.0 the header says it, as a character or a hexadecimal number, and where it says
// nothing, or what keys consist of or end with, and in 1.0, it is a tab. PAN-OS's templates of 1.0 have a bar all the same.
func (r *Reader) separator(named bool) byte {
	if name, rest, ok := bytes.Cut(r.text, []byte{'|'}); ok && named && len(name) <= len("0x7C") && bytes.IndexByte(name, '=') < 0 {
		r.text = rest
		if len(name) == 0 && len(rest) > 0 && rest[0] == '|' { // a bar itself
			r.text = rest[1:]
			return '|'
		}
		if c := separatorNamed(name); c != 0 && c != ' ' && c != '=' && !isKeyByte(c) {
			return c
		}
		if bytes.IndexByte(rest, '\t') < 0 && !bytes.Contains(rest, []byte(writtenTab)) && bytes.IndexByte(rest, ' ') >= 0 {
			return ' '
		}
		return '\t'
	}
	for i, c := range r.text {
		switch {
		case c == '|' || c == '\t':
			return c
		case c == '#' && bytes.HasPrefix(r.text[i:], []byte(writtenTab)):
			return '\t'
		}
	}
	return '\t'
}

// separatorNamed reads a separator; 0 if it is the default.
func separatorNamed(b []byte) byte {
	switch {
	case string(b) == writtenTab || len(b) == 0:
		return 0
	case len(b) == 1:
		return b[0]
	}
	if b[0] == '0' || b[0] == '\\' { // 0x7C and \x7C
		b = b[1:]
	}
	if len(b) != 3 || b[0]|0x20 != 'x' {
		return 0
	}
	var value byte
	for _, c := range b[1:] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20-'a' < 6:
			c = c | 0x20 - 'a' + 10
		default:
			return 0
		}
		value = value<<4 | c
	}
	return value
}
