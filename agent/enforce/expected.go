package enforce

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/policy"
)

// Expected is what the firewalls shall send to the agent and fetch from it, beside what the configuration says.
type Expected struct {
	Formats     policy.Formats // that any of the inputs reads: which of them a firewall's logs go to, the configuration does not say
	Certificate string         // file of the list's certificate
	CA          string         // file of the list's own CA; "": the certificate is not from one
}

// of is what a firewall of the configuration shall be like.
func (x Expected) of(cfg *config.Config, fw config.Firewall, entries, released []firewall.Entry, now time.Time) policy.Expectation {
	want := policy.Expectation{
		Mode: fw.Mode, Names: firewall.NamesFor(fw.Tag), InternetZones: fw.InternetZones, Sensor: fw.Sensor, Panorama: fw.Panorama, SyslogAddress: fw.SyslogAddress,
		Formats: x.Formats,
		Entries: entries, Released: released, MaxEntries: cfg.EDL.MaxEntries, EmptyEntry: cfg.EDL.EmptyEntry, Now: now,
	}
	for _, in := range cfg.Inputs {
		want.Zones = append(want.Zones, in.Location)
	}
	if cfg.EDL.Listen == "" {
		return want
	}
	want.ListURL = cfg.EDL.URL
	if x.CA != "" {
		// A command of a user who may not read the folder goes without; the daemon can.
		want.CA, _ = os.ReadFile(x.CA)
	}
	want.CertificateEnds = certificateEnd(x.Certificate)
	return want
}

// certificateEnd reads when the first certificate of a PEM file ends; zero if it cannot be told.
func certificateEnd(file string) time.Time {
	body, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}
	}
	for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.NotAfter
		}
	}
	return time.Time{}
}
