package panos

import (
	"bytes"
	"net/netip"

	"activedefense/detect"
)

// parseAddr reads an address: without zone, and IPv4 in IPv6 as IPv4. It takes
// what netip.ParseAddr takes, but no allocation.
func parseAddr(b []byte) (netip.Addr, bool) {
	if v4, ok := parseIPv4(b); ok {
		return netip.AddrFrom4(v4), true
	}
	if i := bytes.IndexByte(b, '%'); i >= 0 && i < len(b)-1 {
		b = b[:i]
	}
	if v6, ok := parseIPv6(b); ok {
		return netip.AddrFrom16(v6).Unmap(), true
	}
	return netip.Addr{}, false
}

// parseIPv4 reads four decimal numbers, none with a leading zero.
func parseIPv4(b []byte) (a [4]byte, ok bool) {
	part, value, digits := 0, 0, 0
	for _, c := range b {
		switch {
		case isDigit(c):
			if digits > 0 && value == 0 {
				return a, false
			}
			value = value*10 + int(c-'0')
			digits++
			if value > 255 {
				return a, false
			}
		case c == '.' && digits > 0 && part < 3:
			a[part] = byte(value)
			part++
			value, digits = 0, 0
		default:
			return a, false
		}
	}
	if part != 3 || digits == 0 {
		return a, false
	}
	a[3] = byte(value)
	return a, true
}

// parseIPv6 reads the forms of RFC 4291, section 2.2, without zone.
func parseIPv6(b []byte) (a [16]byte, ok bool) {
	gap, i := -1, 0
	if hasPrefix(b, "::") {
		gap, b = 0, b[2:]
		if len(b) == 0 {
			return a, true
		}
	}
	for i < 16 {
		n, value := hexRun(b)
		if n == 0 {
			return a, false
		}
		if n < len(b) && b[n] == '.' {
			v4, ok := parseIPv4(b)
			if !ok || i > 12 {
				return a, false
			}
			copy(a[i:], v4[:])
			i, b = i+4, nil
			break
		}
		a[i], a[i+1] = byte(value>>8), byte(value)
		i, b = i+2, b[n:]
		if len(b) == 0 {
			break
		}
		if b[0] != ':' || len(b) == 1 {
			return a, false
		}
		b = b[1:]
		if b[0] == ':' {
			if gap >= 0 {
				return a, false
			}
			gap, b = i, b[1:]
			if len(b) == 0 {
				break
			}
		}
	}
	if len(b) > 0 || (i == 16) != (gap < 0) {
		return a, false
	}
	if gap >= 0 {
		copy(a[16-(i-gap):], a[gap:i])
		clear(a[gap : 16-(i-gap)])
	}
	return a, true
}

// hexRun reads up to four hexadecimal digits; more than four are none.
func hexRun(b []byte) (n, value int) {
	for n < len(b) {
		c := b[n]
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return n, value
		}
		if n++; n > 4 {
			return 0, 0
		}
		value = value<<4 | int(c)
	}
	return n, value
}

// port reads a port; nothing at all is port 0, as protocols without ports have it.
func port(b []byte) (uint16, bool) {
	value := 0
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		if value = value*10 + int(c-'0'); value > 65535 {
			return 0, false
		}
	}
	return uint16(value), true
}

// recordType reads the name of the log.
func recordType(b []byte) detect.Type {
	switch {
	case equalFold(b, "TRAFFIC"):
		return detect.TypeTraffic
	case equalFold(b, "THREAT"):
		return detect.TypeThreat
	}
	return detect.TypeUnknown
}

// direction reads the direction column; logs of the cloud spell it with spaces.
func direction(b []byte) detect.Direction {
	switch string(b) {
	case "client-to-server", "client to server":
		return detect.ClientToServer
	case "server-to-client", "server to client":
		return detect.ServerToClient
	}
	return detect.DirectionUnknown
}

// splitThreat takes "Name(ID)" apart at its last pair of parentheses. Without a
// number in them, all is name. Threats without a name repeat the number, as in
// "9999(9999)", or leave it out, as in "(9999)".
func splitThreat(b []byte) (name, id []byte) {
	n := len(b)
	if n < 3 || b[n-1] != ')' {
		return b, nil
	}
	open := bytes.LastIndexByte(b, '(')
	if open < 0 || !isNumber(b[open+1:n-1]) {
		return b, nil
	}
	name, id = trimRight(b[:open]), b[open+1:n-1]
	if bytes.Equal(name, id) {
		name = nil
	}
	return name, id
}

// threatPair makes a bare name and a numeric id of the two values of the key=value
// format. PAN-OS 11.2 renders both $threat_name and $threatid as "Name(ID)"; others
// give the two apart, and then parentheses at the end of the name are its own.
func threatPair(name, id []byte) (bareName, number []byte) {
	bare, inName := splitThreat(name)
	bareID, inID := splitThreat(id)
	switch {
	case isNumber(id):
		number = id
	case inID != nil:
		number = inID
		if len(bare) == 0 {
			bare = bareID
		}
	case inName != nil:
		number = inName
	case len(name) == 0:
		return id, nil
	default:
		return name, id
	}
	if inName != nil && !bytes.Equal(inName, number) {
		bare = name
	}
	return bare, number
}
