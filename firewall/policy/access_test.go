package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// Before a key or a certificate ends, the check of the API warns; what is not known is said, and is no warning but where keys end.
func TestVerifyWarnsBeforeAKeyOrACertificateEnds(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	made := func(ago time.Duration) func(*Facts, *Expectation) {
		return func(f *Facts, want *Expectation) {
			f.life.value, want.KeyFile, want.KeyMade = 90*day, "/etc/fw1.key", now.Add(-ago)
		}
	}
	shown := func(from, ends time.Duration) func(*Facts, *Expectation) {
		return func(f *Facts, _ *Expectation) {
			f.certificate = xmlapi.Certificate{Begins: now.Add(-from), Ends: now.Add(ends), Name: "LAB-CA"}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Facts, *Expectation)
		result string
		says   string
	}{
		{"keys do not end", func(*Facts, *Expectation) {}, ResultPass, "API keys do not end there by themselves"},
		{"the key is new", made(day), ResultPass, "its API key ends at 2027-02-27T12:00:00Z at the latest: keys last 90 days there, and /etc/fw1.key was written at 2026-11-29T12:00:00Z"},
		{"14 days are left", made(76 * day), ResultPass, "ends at 2026-12-14"},
		{"less than 14 days are left", made(76*day + time.Second), ResultWarn, "its API key ends at 2026-12-14T11:59:59Z"},
		{"it should have ended", made(90 * day), ResultWarn, "should have ended at 2026-11-30T12:00:00Z"},
		{"keys last a day", func(f *Facts, want *Expectation) { f.life.value, want.KeyMade = day, now.Add(-17*time.Hour) }, ResultPass, "keys last 1 day there"},
		{"and it ends soon", func(f *Facts, want *Expectation) { f.life.value, want.KeyMade = day, now.Add(-19*time.Hour) }, ResultWarn, "keys last 1 day there"},
		{"since when there is the key is not known", func(f *Facts, _ *Expectation) { f.life.value = 90 * time.Minute }, ResultWarn, "API keys end there after 90 minutes, and since when there is this one is not known"},
		{"the lifetime is not known", func(f *Facts, _ *Expectation) { f.life.err = &xmlapi.Error{Kind: xmlapi.KindAPI, Text: "no"} }, ResultPass, "could not be read: no"},
		{"the key is a Panorama's", func(f *Facts, _ *Expectation) { f.life.err = errNotAsked }, ResultPass, "it is the Panorama's"},
		{"the key is made by logging in", func(f *Facts, want *Expectation) { f.life.value, want.KeyRenewed = 90*day, true }, ResultPass, "made anew when it ends"},
		{"the certificate is good for long", shown(day, 300*day), ResultPass, "its certificate ends at 2027-09-26T12:00:00Z"},
		{"the certificate ends soon", shown(300*day, 13*day), ResultWarn, `its certificate is good until 2026-12-13T12:00:00Z, when "LAB-CA" ends`},
		{"nobody looks at it", func(f *Facts, want *Expectation) {
			shown(300*day, 13*day)(f, want)
			f.insecure = true
		}, ResultWarn, "not verified"},
	} {
		f, want := &Facts{Firewall: "fw1", VSys: "vsys1"}, Expectation{Mode: firewall.ModeTag, Now: now}
		c.change(f, &want)
		got := Verify(f, want)[0]
		if got.Check != CheckAPI || got.Result != c.result || !strings.Contains(got.Detail, c.says) || (got.Result == ResultWarn) != (got.Remedy != "") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// How long keys last is read with either role, and of a nonsense it is said that it is one.
func TestKeyLifeIsRead(t *testing.T) {
	for _, c := range []struct {
		lifetime string // the element
		least    bool   // the role of the daemon
		want     string
	}{
		{"", false, "0s true"}, {"", true, "0s true"}, {"<lifetime>0</lifetime>", false, "0s true"},
		{"<lifetime>129600</lifetime>", false, "2160h0m0s true"}, {"<lifetime>60</lifetime>", true, "1h0m0s true"}, {"<lifetime>soon</lifetime>", false, "0s false"},
	} {
		sim, err := panosim.Start(panosim.Options{Config: `<config version="10.2.0"><devices><entry name="localhost.localdomain"><deviceconfig><setting><management><api><key>` + c.lifetime +
			`</key></api></management></setting></deviceconfig><vsys><entry name="vsys1"/></vsys></entry></devices></config>`})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sim.Close)
		if c.least {
			sim.Config().SetRole("admin", panosim.RightOperation, panosim.RightUserID)
		}
		d, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		f := ReadFacts(t.Context(), d, Expectation{Mode: firewall.ModeTag})
		life, known := KeyLife(f)
		if got := fmt.Sprint(life, known); got != c.want || f.certificate.Ends.IsZero() {
			t.Errorf("%q: %s instead of %s: %v; certificate %+v", c.lifetime, got, c.want, f.life.err, f.certificate)
		}
	}
}
