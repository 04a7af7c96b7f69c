package panos

import "bytes"

// kind is what a record looks like from its first characters.
type kind uint8

const (
	kindNone kind = iota
	kindKV
	kindCSV
	kindCEF
	kindLEEF
	kindCloud
	kindJSON
	kindRepeat
)

// header is a line taken apart: what syslog put in front, and the record.
type header struct {
	stamp []byte // its time as text, unread; nil if it has none
	host  []byte
	kind  kind
	body  []byte
	tag   []byte // the name of the program in RFC 5424, which may be the beginning of the record; nil without one
	// In RFC 5424 the record stands right behind the host.
	noTag bool
}

const byteOrderMark = "\xef\xbb\xbf"

// splitHeader takes a line apart. What may stand in front of a record is listed
// exactly, and nothing else is skipped: in a file that other programs write to as
// well, their messages hold text that strangers chose (a user name in a failed
// login), and such text must not be taken for a record.
//
// Read are, each part being optional: the octet count of RFC 6587; the priority of
// RFC 3164 or RFC 5424, with or without a space behind it; the header of RFC 5424;
// a time in the traditional form, also with a year, or in RFC 3339, as rsyslog's
// two file templates write it; facility and severity as FreeBSD's syslogd -v writes them (<auth.info>, <4.6>); a host; the tags "-" (rsyslog's for a message of
// RFC 5424 without an application name), ":" and "logforwarder", which is Strata
// Logging Service's; and a whole message of RFC 5424 with its octet count, which
// relays wrap Strata's in. A relay that makes a message of RFC 5424 of one of RFC 3164 takes the first word of the
// record for the name of its program: see joinTag.
func splitHeader(line []byte) (header, bool) {
	var h header
	b := trimLeft(trimMark(line))
	b = skipPriority(skipOctetCount(b))
	if h.begin(b) {
		return h, true
	}
	if len(b) > 2 && b[0] == '1' && b[1] == ' ' {
		if rest, ok := h.ietf(b[2:]); ok {
			rest = trimLeft(trimMark(trimLeft(rest)))
			if merged := recordKind(rest) == kindRepeat && h.isFormat(); !merged && recordKind(h.tag) == kindNone && h.begin(rest) {
				return h, true
			}
			h.body = rest
			return h, false
		}
	}
	if n := stampLength(b); n > 0 {
		h.stamp, b = b[:n], skipVerbose(trimLeft(b[n:]))
	}
	return h, h.hostAndTag(trimLeft(b))
}

// front is what stood before the record in the line before: the next one often has the same, for it is of the same second.
type front struct {
	text        []byte // up to the record; empty: none that can be used again
	stamp, host span
}

// span is where a part of a line stands.
type span struct{ start, end int }

// frontMax bounds what is kept: a time and a name are not longer.
const frontMax = 128

// keep keeps what stands before the record of a line that was taken apart, where nothing of that depends on the record: the host's name ends
// at a space, and what may stand behind it is told from a record by its first characters, unless it might be the name of a program.
func (f *front) keep(line []byte, h *header) {
	f.text = f.text[:0]
	n := len(line) - len(h.body)
	if !h.kind.isPlain() || h.noTag || len(h.host) == 0 || n > frontMax {
		return
	}
	at := func(part []byte) (s span) {
		if part != nil {
			s.start = cap(line) - cap(part)
			s.end = s.start + len(part)
		}
		return s
	}
	f.text, f.stamp, f.host = append(f.text, line[:n]...), at(h.stamp), at(h.host)
}

// isPlain says whether records of a kind are told from all that may stand ahead of them by their first characters: comma-separated ones, CEF and LEEF.
func (k kind) isPlain() bool { return k == kindCSV || k == kindCEF || k == kindLEEF }

// again takes a line apart whose front is the one that was kept; false: it is another, or no such record follows.
func (f *front) again(line []byte) (h header, ok bool) {
	n := len(f.text)
	if n == 0 || len(line) <= n || string(line[:n]) != string(f.text) {
		return h, false
	}
	k := recordKind(line[n:])
	if !k.isPlain() {
		return h, false
	}
	h = header{host: line[f.host.start:f.host.end], kind: k, body: line[n:]}
	if f.stamp.end > 0 {
		h.stamp = line[f.stamp.start:f.stamp.end]
	}
	return h, true
}

// begin sets kind and body if b is the beginning of a record.
func (h *header) begin(b []byte) bool {
	if k := recordKind(b); k != kindNone {
		h.kind, h.body = k, b
		return true
	}
	return false
}

// hostAndTag reads what stands between the time and the record.
func (h *header) hostAndTag(b []byte) bool {
	if h.begin(b) {
		return true
	}
	if !isTag(b) {
		host := token(b)
		if !isHost(host) {
			return false
		}
		h.host = host
		if b = trimLeft(b[len(host):]); h.begin(b) {
			return true
		}
		if rest, ok := h.fromCloud(b); ok {
			return h.begin(rest)
		}
	}
	// At most four tags: the empty application, process, message id and
	// structured data of a message of RFC 5424 written out by a relay.
	for range 5 {
		b = trimMark(b)
		if h.begin(b) {
			return true
		}
		if !isTag(b) {
			return false
		}
		b = trimLeft(b[1:])
	}
	return false
}

// cloudTag is the tag of Strata Logging Service's messages.
const cloudTag = "logforwarder "

// fromCloud steps over what Strata Logging Service, or a relay of its messages, puts behind the host: a tag, or another header with its octet
// count. A time and a host in there are the sender's.
func (h *header) fromCloud(b []byte) ([]byte, bool) {
	if hasPrefix(b, cloudTag) {
		return trimLeft(b[len(cloudTag):]), true
	}
	inner := skipPriority(skipOctetCount(b))
	if len(inner) == len(b) || !hasPrefix(inner, "1 ") {
		return nil, false
	}
	rest, ok := h.ietf(inner[2:])
	return trimLeft(trimMark(trimLeft(rest))), ok
}

// ietf reads the header of RFC 5424 behind its version: time, host, application,
// process, message id and structured data.
func (h *header) ietf(b []byte) ([]byte, bool) {
	t := token(b)
	if string(t) != "-" {
		if stampLength(b) != len(t) {
			return nil, false
		}
		h.stamp = t
	}
	b = trimLeft(b[len(t):])
	host := token(b)
	if string(host) != "-" {
		if !isHost(host) {
			return nil, false
		}
		h.host = host
	}
	b = trimLeft(b[len(host):])
	tag := token(b)
	if rest := b[len(tag):]; recordKind(b) != kindNone && !hasPrefix(rest, " - - - ") && !hasPrefix(rest, " - - [") {
		h.noTag = true
		return b, true // a sender that leaves the rest out
	}
	h.tag = tag
	for range 3 {
		b = trimLeft(b[len(token(b)):])
	}
	return skipStructuredData(b)
}

// isFormat says whether the name of the program is that of a format, which begins its records.
func (h *header) isFormat() bool { return string(h.tag) == "CEF" || string(h.tag) == "LEEF" }

// joinTag puts a record together again whose first word became the name of the program. Of "CEF:0|..." rsyslog makes the program
// "CEF" and the text "0|...", of "SrcLocation=United States; ..." the program "SrcLocation=United", and of "1,2026/11/30 12:00:00,..." the
// program "1,2026", with which the day of the receive time is lost (measured with rsyslogd 8.2302, RSYSLOG_SyslogProtocol23Format).
func (p *Parser) joinTag(h *header) bool {
	if len(h.tag) == 0 || len(h.body) == 0 {
		return false
	}
	separator := " "
	if h.isFormat() {
		separator = ": "
	}
	p.joined = append(append(append(p.joined[:0], h.tag...), separator...), h.body...)
	switch k := recordKind(p.joined); k {
	case kindKV, kindCSV, kindCEF, kindLEEF:
		h.kind, h.body = k, p.joined
		return true
	}
	return false
}

// stampLength gives the length of the time that b begins with, up to a space; 0 if
// there is none. The two usual forms are known by their punctuation: what they say
// is read when it is needed, which is seldom.
func stampLength(b []byte) int {
	if len(b) < 16 {
		return 0
	}
	if isLetter(b[0]) && b[3] == ' ' && b[6] == ' ' && b[9] == ':' && b[12] == ':' && b[15] == ' ' {
		return 15
	}
	n := isoLength(b)
	if n == 0 {
		_, n = monthFirst(b)
	}
	if n < len(b) && b[n] != ' ' {
		return 0
	}
	return n
}

// isoLength gives the length of what looks like a time of RFC 3339, up to a space or
// a comma; 0 if b begins otherwise.
func isoLength(b []byte) int {
	if len(b) < 20 || !isDigit(b[0]) || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return 0
	}
	n := 19
	for n < len(b) && b[n] != ' ' && b[n] != ',' {
		n++
	}
	return n
}

// skipStructuredData steps over "-" or a run of [elements], in whose quoted values
// a backslash escapes (RFC 5424, section 6.3).
func skipStructuredData(b []byte) ([]byte, bool) {
	if len(b) > 0 && b[0] == '-' {
		return b[1:], true
	}
	for len(b) > 0 && b[0] == '[' {
		quoted, i := false, 1
		for ; i < len(b) && (quoted || b[i] != ']'); i++ {
			switch {
			case quoted && b[i] == '\\':
				i++
			case b[i] == '"':
				quoted = !quoted
			}
		}
		if i >= len(b) {
			return nil, false
		}
		b = b[i+1:]
		if len(b) == 0 || b[0] != '[' {
			return b, true
		}
	}
	return nil, false
}

// recordKind tells by its first characters which kind of record b begins, if any.
func recordKind(b []byte) kind {
	if len(b) == 0 {
		return kindNone
	}
	switch c := b[0]; {
	case isDigit(c):
		n := digitRun(b)
		if n < len(b) && b[n] == ',' {
			return kindCSV
		}
		// Records of Strata Logging Service begin with a time of RFC 3339.
		if n = isoLength(b); n > 0 && n < len(b) && b[n] == ',' {
			return kindCloud
		}
	case c == 'S' || c == 'D' || c == 'A' || c == 'R' || c == 'T':
		if _, n := matchKey(b); n > 0 {
			return kindKV
		}
	case c == 'C':
		if hasPrefix(b, "CEF:") {
			return kindCEF
		}
	case c == 'L':
		if hasPrefix(b, "LEEF:") {
			return kindLEEF
		}
	case c == '{':
		return kindJSON
	case c == 'm':
		if hasPrefix(b, repeatMark[1:]) {
			return kindRepeat
		}
	}
	return kindNone
}

// skipOctetCount drops the length that RFC 6587 puts before each message.
func skipOctetCount(b []byte) []byte {
	n := digitRun(b)
	if n > 0 && n <= 7 && n+1 < len(b) && b[n] == ' ' && b[n+1] == '<' {
		return b[n+1:]
	}
	return b
}

// skipPriority drops <N> and the space that some relays put behind it.
func skipPriority(b []byte) []byte {
	if len(b) < 3 || b[0] != '<' {
		return b
	}
	n := digitRun(b[1:])
	if n == 0 || n > 3 || 1+n >= len(b) || b[1+n] != '>' {
		return b
	}
	return trimLeft(b[2+n:])
}

// skipVerbose drops facility and severity as FreeBSD's syslogd -v writes them ahead of the host.
func skipVerbose(b []byte) []byte {
	if len(b) == 0 || b[0] != '<' {
		return b
	}
	t := token(b)
	facility, severity, ok := bytes.Cut(t[1:], []byte{'.'})
	if !ok || len(facility) == 0 || len(facility) > 8 || len(severity) < 2 || len(severity) > 8 || severity[len(severity)-1] != '>' {
		return b
	}
	return trimLeft(b[len(t):])
}

// isTag says whether b begins with one of the two tags that carry no name.
func isTag(b []byte) bool {
	return len(b) > 1 && (b[0] == '-' || b[0] == ':') && (b[1] == ' ' || b[1] == '\t')
}

// isHost says whether b could be a host name, an IPv4 or an IPv6 address. A name
// with a colon at its end is a program's tag and no host.
func isHost(b []byte) bool {
	if len(b) == 0 || len(b) > 255 {
		return false
	}
	for _, c := range b {
		if !isDigit(c) && !isLetter(c) && c != '.' && c != '-' && c != '_' && c != ':' && c < 0x80 {
			return false
		}
	}
	return b[len(b)-1] != ':'
}

// token is the beginning of b up to the first space.
func token(b []byte) []byte {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i]
	}
	return b
}
