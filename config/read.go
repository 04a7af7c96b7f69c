package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/knadh/koanf/v2"
)

// section reads one section of the merged configuration, or one element of a list, and reports what
// it finds wrong under the key's whole path. Types are as shape and variable left them.
type section struct {
	l  *loader
	k  *koanf.Koanf
	at string // "" or the path of the element with a dot behind it
}

func (s section) fault(key, format string, args ...any) { s.l.fault(s.at+key, format, args...) }

// elements gives the sections of a list, each with its defaults. Faulty ones are left out.
func (s section) elements(key string) []section {
	all, _ := s.k.Get(key).([]any)
	var sections []section
	for i, element := range all {
		if values, ok := element.(map[string]any); ok {
			sections = append(sections, section{
				l: s.l, k: merged(presets(key+"[]."), values), at: fmt.Sprintf("%s%s[%d].", s.at, key, i),
			})
		}
	}
	return sections
}

func (s section) text(key string) string { return s.k.String(key) }

// set tells whether a text is there, or was meant to be and is faulty.
func (s section) set(key string) bool { return s.text(key) != "" || s.l.faulted[s.at+key] }

// filled reads a text that must not be empty.
func (s section) filled(key, right string) string {
	v := s.text(key)
	if strings.TrimSpace(v) == "" {
		s.fault(key, "is missing; set it to %s", right)
	}
	return v
}

// oneOf reads a text that is one of a few.
func (s section) oneOf(key string, choices []choice) string {
	v := s.text(key)
	var names []string
	for _, c := range choices {
		if c.name == v {
			return v
		}
		names = append(names, c.name)
	}
	s.fault(key, "%q is not one of %s", clip(v), strings.Join(names, ", "))
	return v
}

func (s section) boolean(key string) bool { return s.k.Bool(key) }

func (s section) integer(key string, least, most int) int {
	n := s.k.Int(key)
	if n < least || n > most {
		s.fault(key, "%d is out of range; use %d to %d", n, least, most)
	}
	return n
}

// duration reads a duration; most 0 means that there is no upper bound.
func (s section) duration(key string, least, most time.Duration) time.Duration {
	d, err := ParseDuration(s.text(key))
	switch {
	case err != nil:
		s.fault(key, "%v", err)
	case d < least:
		s.fault(key, "%s is too short; use at least %s", FormatDuration(d), FormatDuration(least))
	case most > 0 && d > most:
		s.fault(key, "%s is too long; use at most %s", FormatDuration(d), FormatDuration(most))
	}
	return d
}

// sizeOf reads a number of bytes, 0 for none.
func sizeOf(s section, key string, least, most uint64) int64 {
	v := s.text(key)
	n, err := humanize.ParseBytes(v)
	switch {
	case err != nil:
		s.fault(key, "%q is not a size; use one such as 200GB or 500MiB, or 0 for none", clip(v))
	case n != 0 && (n < least || n > most):
		s.fault(key, "%s is out of range; use at least %s, or 0 for none", clip(v), humanize.Bytes(least))
	}
	return int64(min(n, most))
}

// window reads the window of a rule: 0, which switches the rule off, or a duration within bounds.
func (s section) window(key string) time.Duration { return s.orZero(key, minWindow, maxWindow) }

// orZero reads a duration within bounds, or 0.
func (s section) orZero(key string, least, most time.Duration) time.Duration {
	if d, err := ParseDuration(s.text(key)); err == nil && d == 0 {
		return 0
	}
	return s.duration(key, least, most)
}

// networks reads a list of addresses and networks.
func (s section) networks(key string) []netip.Prefix {
	texts := s.k.Strings(key)
	networks := make([]netip.Prefix, 0, len(texts))
	for i, t := range texts {
		p, err := parseNetwork(t)
		if err != nil {
			s.fault(fmt.Sprintf("%s[%d]", key, i), "%v", err)
			continue
		}
		networks = append(networks, p)
	}
	return networks
}

// parseNetwork reads an address or a network. IPv4 in IPv6 form becomes IPv4.
func parseNetwork(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is not an address or network; use one such as 192.0.2.7 or 2001:db8::/32", clip(s))
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network; use one such as 198.51.100.0/24 or 2001:db8::/32", clip(s))
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has host bits set; use %s for the network or %s for the address", s, p.Masked(), p.Addr())
	}
	return p, nil
}

// listen reads an address to listen on. Port 0 lets the system choose.
func (s section) listen(key string, mayBeEmpty bool) string {
	v := s.text(key)
	if v == "" && mayBeEmpty {
		return ""
	}
	host, port, ok := cutPort(v)
	if !ok || host != "" && !isHost(host) {
		s.fault(key, "%q is not a listen address; use host:port such as 127.0.0.1:9400, or :8443 for all addresses of this host", clip(v))
		return v
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		s.fault(key, "%q is not a port number; use 1 to 65535", clip(port))
	}
	return v
}

// cutPort splits host:port at the last colon; a host with colons stands in brackets.
func cutPort(v string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(v, ':')
	if colon < 0 {
		return "", "", false
	}
	host, port = v[:colon], v[colon+1:]
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		inner, closed := strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return inner, port, closed && err == nil && a.Is6()
	}
	return host, port, !strings.Contains(host, ":")
}

// isHost tells whether s is an address or could be the name of a host.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 || s[0] == '-' || s[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

const day = 24 * time.Hour

var errDuration = errors.New("is not a duration; use one such as 90d, 1d12h, 10m or 30s")

// ParseDuration reads a duration that is not negative: what time.ParseDuration knows, with whole
// days in front if need be (90d, 1d12h), or a bare 0. A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	fail := fmt.Errorf("%q %w", clip(s), errDuration)
	var total time.Duration
	rest := s
	if head, tail, found := strings.Cut(s, "d"); found {
		days, err := strconv.ParseUint(head, 10, 32)
		if err != nil || days > uint64(math.MaxInt64/day) {
			return 0, fail
		}
		total, rest = time.Duration(days)*day, tail
		if rest == "" {
			return total, nil
		}
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, fail
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-total {
		return 0, fail
	}
	return total + d, nil
}

// FormatDuration writes a duration that is not negative as ParseDuration reads it, in the shortest
// usual form: 30d, 1d12h, 10m, 0.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	days, rest := d/day, d%day
	var b strings.Builder
	if days > 0 {
		fmt.Fprintf(&b, "%dd", days)
	}
	if rest > 0 {
		s := rest.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		b.WriteString(s)
	}
	return b.String()
}
