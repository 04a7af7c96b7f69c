package config

import (
	"bytes"
	_ "embed" // the files below
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Example is the commented example configuration. Its values are the built-in defaults.
//
//go:embed example.yaml
var Example []byte

// Unit is the systemd unit of the daemon.
//
//go:embed activedefense.service
var Unit []byte

// Rsyslog is the rsyslog snippet that receives the firewalls' logs, one file a firewall, once it names them: see [RsyslogFor].
//
//go:embed rsyslog.conf
var Rsyslog []byte

// Logrotate is the logrotate snippet for these files.
//
//go:embed logrotate.conf
var Logrotate []byte

// Alerts are alerting rules for Prometheus, on the metrics that the daemon exports.
//
//go:embed alerts.yaml
var Alerts []byte

// Dashboard is a dashboard for Grafana, over a Prometheus that scrapes the daemon.
//
//go:embed grafana.json
var Dashboard []byte

// unfilled stands above them where nobody is named, filled where some are.
const (
	unfilled = `Write here the
    # addresses that your firewalls send from (of the management interface, unless a service route says otherwise), such as
    # ["192.0.2.1", "192.0.2.2"]. Until then all are refused.
`
	filled = `These are the
    # addresses that were given, and those of the configured firewalls; one that sends from another (a service route) is refused.
`
)

// nobody stands in the rsyslog snippet for the senders that it accepts.
const nobody = `["nobody-yet"]`

// RsyslogFor is [Rsyslog] with the senders that it accepts, by their addresses; without any it accepts none.
func RsyslogFor(senders []netip.Addr) []byte {
	if len(senders) == 0 {
		return Rsyslog
	}
	var quoted []string
	for _, a := range slices.Compact(slices.SortedFunc(slices.Values(senders), netip.Addr.Compare)) {
		quoted = append(quoted, `"`+a.String()+`"`)
	}
	named := bytes.Replace(Rsyslog, []byte(nobody), []byte("["+strings.Join(quoted, ", ")+"]"), 1)
	return bytes.Replace(named, []byte(unfilled), []byte(filled), 1)
}

// Senders gives the management addresses of the firewalls, from which they send their logs unless a service route says
// otherwise, and for each whose address the configuration does not say a sentence with what to do.
func (c *Config) Senders() (known []netip.Addr, unknown []string) {
	for _, f := range c.Firewalls {
		if f.Target != "" {
			unknown = append(unknown, fmt.Sprintf("%s is behind a Panorama, whose address url is; give the address that the firewall itself sends its logs from", f.Name))
			continue
		}
		for _, at := range []struct{ key, url string }{{"url", f.URL}, {"peer_url", f.PeerURL}} {
			u, err := url.Parse(at.url)
			if err != nil || at.url == "" {
				continue
			}
			if a, err := netip.ParseAddr(u.Hostname()); err == nil {
				known = append(known, a.Unmap().WithZone(""))
			} else {
				unknown = append(unknown, fmt.Sprintf("%s of %s has a name, %s, and rsyslog compares addresses; give the address that the firewall sends its logs from", at.key, f.Name, u.Hostname()))
			}
		}
	}
	return known, unknown
}
