package config

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"activedefense/detect/pattern"
)

// Listener is an address at which syslog messages are taken. The zero value is none.
type Listener struct {
	URL          string         // as configured, such as tcp://0.0.0.0:5514
	Network      string         // udp, tcp or tls
	Address      string         // host:port; without a host, all addresses of this host
	TLS          TLS            // set for tls
	ClientCAFile string         // of the authorities whose certificates a sender needs; empty: it needs none
	Allow        []netip.Prefix // who may send; empty only with ClientCAFile: whoever has a certificate
	SpoolSize    int64          // bytes, at least 1 MB
}

// On tells whether there is one.
func (l *Listener) On() bool { return l.URL != "" }

// source reads where an input's lines come from: a glob of files or a listener, and not both.
func source(s section, in *Input) {
	path, url := s.text("path"), s.text("listen")
	switch {
	case url == "" && strings.TrimSpace(path) == "":
		if !s.l.faulted[s.at+"path"] && !s.l.faulted[s.at+"listen"] {
			s.fault("path", "is missing; set it to a glob such as /var/log/Firewall/*.log, or set listen to an address such as tcp://0.0.0.0:5514")
		}
	case url == "":
		in.Path = path
		for _, key := range []string{"tls.cert_file", "tls.key_file", "tls.client_ca_file"} {
			if s.text(key) != "" {
				s.fault(key, "is for an input that listens; set listen to a tls:// address, or leave it out")
			}
		}
		if len(s.k.Strings("allow")) > 0 {
			s.fault("allow", "is for an input that listens; who may write into files their permissions say")
		}
	case strings.TrimSpace(path) != "":
		s.fault("listen", "cannot be combined with path; make two inputs of them")
	default:
		in.Listen = listener(s, url)
		if in.FromEnd {
			s.fault("start", "cannot be end for an input that listens: what was received while nobody read would be passed over; leave it out")
		}
	}
}

func listener(s section, url string) Listener {
	l := Listener{URL: url, Allow: s.networks("allow"), ClientCAFile: s.text("tls.client_ca_file"), SpoolSize: sizeOf(s, "spool_size", minSpool, maxSize)}
	if l.SpoolSize == 0 {
		s.fault("spool_size", "is 0, so that nothing could be taken; use at least 1MB, such as 4GB")
	}
	network, address, _ := strings.Cut(url, "://")
	host, port, ok := cutPort(address)
	at, notAddress := netip.ParseAddr(host)
	number, err := strconv.ParseUint(port, 10, 16)
	if !slices.Contains([]string{"udp", "tcp", "tls"}, network) || !ok || host != "" && (notAddress != nil || !isInterface(at.Zone())) || err != nil || number == 0 {
		s.fault("listen", "%q is not an address to listen on; use udp://, tcp:// or tls:// with an address of this host and a port, such as tcp://0.0.0.0:5514 or tls://[::]:6514", clip(url))
		return l
	}
	l.Network, l.Address = network, net.JoinHostPort(host, strconv.FormatUint(number, 10))
	listenerTLS(s, &l)
	switch wide := slices.IndexFunc(l.Allow, func(p netip.Prefix) bool { return p.Bits() == 0 }); {
	case s.l.faultedBelow(s.at + "allow"):
	case len(l.Allow) == 0 && l.ClientCAFile == "":
		right := "name the networks of the firewalls"
		if network == "tls" {
			right += ", or set tls.client_ca_file"
		}
		s.fault("allow", "is empty, and who may write lines can have anybody blocked; %s", right)
	case wide >= 0 && l.ClientCAFile == "":
		s.l.warn(s.at+"allow", "lets everybody send (%s), and who may write lines can have anybody blocked: name the networks of the firewalls", l.Allow[wide])
	}
	return l
}

// listenerTLS reads the certificate of a listener, which it must have for tls and cannot have for anything else.
func listenerTLS(s section, l *Listener) {
	if l.Network != "tls" {
		for _, key := range []string{"tls.cert_file", "tls.key_file", "tls.client_ca_file"} {
			if s.text(key) != "" {
				s.fault(key, "is for tls://, and listen is %s; use tls://, or leave it out", clip(l.URL))
			}
		}
		return
	}
	for _, key := range []string{"tls.cert_file", "tls.key_file"} {
		if s.text(key) == "" {
			s.fault(key, "is missing; tls:// needs a certificate and its key, which the firewalls' authority knows (PEM)")
		}
	}
	if l.ClientCAFile != "" {
		s.certificates("tls.client_ca_file")
	}
	l.TLS = TLS{CertFile: s.text("tls.cert_file"), KeyFile: s.text("tls.key_file")}
	if l.TLS.CertFile == "" || l.TLS.KeyFile == "" {
		return
	}
	cert, private := s.certificates("tls.cert_file"), s.privateFile("tls.key_file")
	if cert == nil || private == nil || s.l.faulted[s.at+"tls.cert_file"] {
		return
	}
	pair, err := tls.X509KeyPair(cert, private)
	if err != nil {
		s.fault("tls.key_file", "cannot be used as the key of tls.cert_file: %v", err)
	} else if leaf := pair.Leaf; !s.l.now.Before(leaf.NotAfter) {
		s.l.warn(s.at+"tls.cert_file", "ended at %s, so that senders that look at it do not send: renew it", leaf.NotAfter.Format(time.RFC3339))
	}
}

// fitListeners finds two that would ask for one port.
func (l *loader) fitListeners(c *Config) {
	type port struct{ key, address string }
	tcp, udp := []port{{"edl.listen", c.EDL.Listen}, {"admin.listen", c.Admin.Listen}}, []port(nil)
	for i := range c.Inputs {
		in := &c.Inputs[i].Listen
		if in.Address == "" {
			continue
		}
		used := &tcp
		if in.Network == "udp" {
			used = &udp
		}
		key := "inputs[" + strconv.Itoa(i) + "].listen"
		for _, other := range *used {
			if sameListener(other.address, in.Address) {
				l.fault(key, "uses the port of %s; use another one", other.key)
			}
		}
		*used = append(*used, port{key, in.Address})
	}
}

// isInterface tells whether the zone of an address can be the name of an interface, as the kernel has it (dev_valid_name), or is none. It becomes a
// part of the name of the spool's folder.
func isInterface(zone string) bool {
	return len(zone) < 16 && !strings.ContainsFunc(zone, func(r rune) bool { return r == '/' || r == ':' || !unicode.IsGraphic(r) || unicode.IsSpace(r) })
}

// spooled says how the lines of a listener's spool are read. It lies beside them, for when the input is configured no more.
type spooled struct {
	Listen   string           `json:"listen"`
	Format   string           `json:"format"`
	Timezone string           `json:"timezone"`
	Device   string           `json:"device"`
	Patterns []spooledPattern `json:"patterns,omitempty"` // of ready-made sets, those that they had
}

type spooledPattern struct {
	Event      string `json:"event"`
	Regexp     string `json:"regexp"`
	Proven     bool   `json:"proven"`
	TimeFormat string `json:"time_format,omitempty"`
}

// Spooled gives what ReadSpooled reads: all of the input that says how its lines are read.
func (in *Input) Spooled() []byte {
	s := spooled{Listen: in.Listen.URL, Format: in.Format, Timezone: in.Timezone, Device: in.Device}
	if in.Patterns != nil {
		for _, p := range in.Patterns.Patterns() {
			s.Patterns = append(s.Patterns, spooledPattern(p))
		}
	}
	text, _ := json.MarshalIndent(s, "", "  ") // texts and booleans alone
	return append(text, '\n')
}

// ReadSpooled gives an input without a path and without a listener, which reads lines as the one did that gave Spooled. An error says what this version cannot
// make of it.
func ReadSpooled(text []byte) (in Input, err error) {
	var s spooled
	if err := json.Unmarshal(text, &s); err != nil {
		return in, fmt.Errorf("is damaged: %w", err)
	}
	in = Input{Format: s.Format, Timezone: s.Timezone, Device: s.Device}
	if !slices.ContainsFunc(formats, func(c choice) bool { return c.name == s.Format }) || (s.Format == "pattern") != (len(s.Patterns) > 0) {
		return in, fmt.Errorf("has the format %q with %d patterns, which this version cannot read", clip(s.Format), len(s.Patterns))
	}
	if in.Location, err = time.LoadLocation(s.Timezone); err != nil || s.Timezone == "" { // which LoadLocation takes for UTC
		return in, fmt.Errorf("has the time zone %q, which is not known here", clip(s.Timezone))
	}
	if s.Format != "pattern" {
		return in, nil
	}
	var all []pattern.Pattern
	for _, p := range s.Patterns {
		all = append(all, pattern.Pattern(p))
	}
	set, faults := pattern.Compile(all)
	if len(faults) > 0 {
		return in, fmt.Errorf("has patterns that this version cannot read: %s: %s", faults[0].Key, faults[0].Text)
	}
	in.Patterns = set
	return in, nil
}
