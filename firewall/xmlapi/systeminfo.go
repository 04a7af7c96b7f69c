package xmlapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

type systemInfo struct {
	Hostname  string `xml:"result>system>hostname"`
	Model     string `xml:"result>system>model"`
	Serial    string `xml:"result>system>serial"`
	Version   string `xml:"result>system>sw-version"`
	Threats   string `xml:"result>system>threat-version"`
	MultiVSys string `xml:"result>system>multi-vsys"`
	Uptime    string `xml:"result>system>uptime"`
}

// identity is what a firewall says about itself.
type identity struct {
	Info
	version Version
	uptime  time.Duration // negative: unknown
}

// parseSystemInfo reads the answer to "show system info", and refuses what cannot keep our promises.
func parseSystemInfo(body []byte) (identity, *Error) {
	var s systemInfo
	if err := xml.Unmarshal(body, &s); err != nil {
		return identity{}, &Error{Kind: KindMalformed, Text: err.Error(), Err: err}
	}
	id := identity{Info: Info{
		Model: tidy(s.Model, nil), Serial: tidy(s.Serial, nil), Version: tidy(s.Version, nil), Hostname: tidy(s.Hostname, nil),
		ThreatVersion: tidy(s.Threats, nil), MultiVSys: strings.TrimSpace(s.MultiVSys) == "on",
	}, uptime: parseUptime(s.Uptime)}
	unsupported := func(format string, args ...any) (identity, *Error) {
		return identity{}, &Error{Kind: KindUnsupported, Text: fmt.Sprintf(format, args...)}
	}
	if id.Model == "" || id.Version == "" {
		return unsupported("not a PAN-OS firewall: the response names no model or software version")
	}
	var ok bool
	if id.version, ok = ParseVersion(id.Version); !ok {
		return unsupported("%q is not a PAN-OS version", id.Version)
	}
	if id.Model == "Panorama" || strings.HasPrefix(id.Model, "M-") {
		return unsupported("this is a Panorama (%s), where registered addresses block nothing: set url or target to a firewall", id.Model)
	}
	if !id.version.timeouts() {
		return unsupported("PAN-OS %s does not support timeouts of registered tags: 9.0 or later is required", id.Version)
	}
	return id, nil
}

// parseUptime reads "12 days, 3:04:05"; negative: it says something else.
func parseUptime(text string) time.Duration {
	var days, hours, minutes, seconds uint16
	if _, err := fmt.Sscanf(strings.TrimSpace(text), "%d days, %d:%d:%d", &days, &hours, &minutes, &seconds); err != nil {
		return -1
	}
	return time.Duration(days)*24*time.Hour + time.Duration(hours)*time.Hour +
		time.Duration(minutes)*time.Minute + time.Duration(seconds)*time.Second
}

// A Certificate is what the firewall, or the Panorama before it, last showed. The zero value: nothing was seen yet.
type Certificate struct {
	// Begins and Ends are of the first that ends of those that it is trusted by; of one that was not verified, its own.
	Begins, Ends time.Time
	Name         string // of that one: its common name, else its whole subject
}

// CertificateOf gives the certificate as it was when the last connection was made.
func CertificateOf(d *Device) Certificate {
	if c := d.conn.shown.Load(); c != nil {
		return *c
	}
	return Certificate{}
}

// Reconnect has the next calls make new connections, which show the certificate as it is now. Those of calls that run go on.
func Reconnect(d *Device) { d.conn.base.CloseIdleConnections() }

// see notes the certificate of a connection that was just made, and verified unless nothing is.
func (c *connection) see(state tls.ConnectionState) error {
	chains := state.VerifiedChains
	if len(chains) == 0 {
		chains = [][]*x509.Certificate{state.PeerCertificates[:min(1, len(state.PeerCertificates))]}
	}
	var best *Certificate
	for _, chain := range chains {
		if len(chain) == 0 {
			continue
		}
		first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		if best == nil || first.NotAfter.After(best.Ends) {
			best = &Certificate{first.NotBefore, first.NotAfter, cmp.Or(first.Subject.CommonName, first.Subject.String())}
		}
	}
	c.shown.Store(best)
	return nil
}

// shownWithin bounds asking for a certificate.
const shownWithin = 15 * time.Second

// Shown gives the certificates that a firewall shows to whoever connects, its own first, and the host that it is reached at. None of them is
// verified, and no call is made.
func Shown(ctx context.Context, address string) (chain []*x509.Certificate, host string, err error) {
	host, port, err := splitURL(address)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, shownWithin)
	defer cancel()
	host = strings.Trim(host, "[]")
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, ServerName: host}}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.FormatUint(uint64(cmp.Or(port, 443)), 10)))
	if err != nil {
		return nil, host, fmt.Errorf("connect to %s: %w", host, failed(ctx, ctx, err))
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates, host, nil
}
