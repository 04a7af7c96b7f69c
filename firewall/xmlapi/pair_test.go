package xmlapi

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

// haAnswer is an answer to "show high-availability state".
func haAnswer(state string) string {
	if state == "" {
		return `<response status="success"><result><enabled>no</enabled></result></response>`
	}
	return `<response status="success"><result><enabled>yes</enabled><group><local-info><state>` + state + `</state></local-info></group></result></response>`
}

func TestPassive(t *testing.T) {
	for state, passive := range map[string]bool{
		"": false, "active": false, "active-primary": false, "active-secondary": false, "passive": true, "suspended": true, "non-functional": true, "initial": true,
	} {
		s := newScript(t, always(haAnswer(state)))
		if got, err := Passive(t.Context(), s.Device); err != nil || got != passive {
			t.Errorf("%q: passive %v, %v", state, got, err)
		}
		err := MayWrite(t.Context(), s.Device)
		if passive {
			wantError(t, err, KindPassive, "write the configuration", "this member of the HA pair is "+state)
		} else if err != nil {
			t.Errorf("%q: %v", state, err)
		}
	}
	s := newScript(t, always(refused("no")))
	if passive, err := Passive(t.Context(), s.Device); passive || Kind(err) != KindAPI {
		t.Errorf("not told: %v, %v", passive, err)
	}
}

func TestActive(t *testing.T) {
	member := func(state string) *Device {
		return newScript(t, func(form url.Values) string {
			switch {
			case strings.Contains(form.Get("cmd"), "high-availability"):
				return haAnswer(state)
			case state == "gone":
				return refused("gone")
			}
			return infoAnswer("1", "10.2.9", "")
		}).Device
	}
	alone, active, passive, gone := member(""), member("active"), member("passive"), member("gone")
	for name, test := range map[string]struct {
		devices []*Device
		want    *Device
		kind    string
	}{
		"alone": {[]*Device{alone}, alone, ""}, "the second is active": {[]*Device{passive, active}, active, ""}, "the first one is gone": {[]*Device{gone, active}, active, ""},
		"both passive": {[]*Device{passive, passive}, nil, KindPassive}, "one passive, one gone": {[]*Device{passive, gone}, nil, KindAPI},
		"one gone, one passive": {[]*Device{gone, passive}, nil, KindAPI},
	} {
		if got, err := Active(t.Context(), test.devices...); got != test.want || Kind(err) != test.kind {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := Active(ctx, gone, active); got != nil || Kind(err) != KindCanceled {
		t.Errorf("canceled: %v, %v", got, err)
	}
}

func TestActiveOfAPair(t *testing.T) {
	l := newLab(t, nil, nil)
	other, err := panosim.Start(panosim.Options{Now: l.clock.Now, Admin: svc, APIKey: l.sim.Key(), Serial: "007000000000002"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	pair := panosim.Pair(l.sim, other, panosim.PairOptions{})
	options := l.opts
	options.Name, options.URL, options.CA = "LAB-FW-02", other.URL(), other.CA()
	peer, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peer.Close)
	if got, err := Active(t.Context(), peer, l.Device); err != nil || got != l.Device {
		t.Errorf("got %v, %v", got, err)
	}
	if err := pair.Failover(); err != nil {
		t.Fatal(err)
	}
	if got, err := Active(t.Context(), peer, l.Device); err != nil || got != peer {
		t.Errorf("after a failover: %v, %v", got, err)
	}
}

// Whom a key acts as shows beside an edit, or in the list of changes; the edit is taken back.
func TestWhoAmI(t *testing.T) {
	l := newLab(t, nil, nil)
	if admin, err := WhoAmI(t.Context(), l.Device, "ours-admin"); err != nil || admin != svc {
		t.Errorf("%q, %v", admin, err)
	}
	if strings.Contains(l.sim.Config().Candidate(), "ours-admin") {
		t.Error("the edit stands")
	}
	journal := `<response status="success"><result><journal><entry><xpath>/elsewhere</xpath><owner>somebody</owner></entry><entry><xpath>` + VSysPath("vsys1") +
		`/tag/entry[@name='ours-admin']</xpath><owner>svc</owner></entry></journal></result></response>`
	for name, test := range map[string]struct{ get, changes, set, want, kind string }{
		"in the list of changes": {success, journal, success, "svc", ""},
		"nowhere":                {success, success, success, "", KindUnsupported},
		"no list of changes":     {success, refused("no"), success, "", KindAPI},
		"not to be read":         {refused("no"), success, success, "", KindAPI},
		"no edit":                {success, journal, refused("no"), "", KindAPI},
		"deep inside":            {`<response status="success"><result><entry name="ours-admin"><comments admin="svc">x</comments></entry></result></response>`, "", success, "svc", ""},
	} {
		s := newScript(t, func(form url.Values) string {
			switch {
			case form.Get("action") == "get":
				return test.get
			case strings.Contains(form.Get("cmd"), "<changes>"):
				return test.changes
			case form.Get("action") == "set":
				return test.set
			}
			return success
		})
		admin, err := WhoAmI(t.Context(), s.Device, "ours-admin")
		if admin != test.want || Kind(err) != test.kind {
			t.Errorf("%s: %q, %v", name, admin, err)
		}
		if last := s.calls[len(s.calls)-1]; test.set == success && last.Get("action") != "delete" {
			t.Errorf("%s: the edit was not taken back: %v", name, last)
		}
	}
	s := newScript(t, func(form url.Values) string {
		if form.Get("action") == "delete" {
			return refused("no")
		}
		return success
	})
	if _, err := WhoAmI(t.Context(), s.Device, "ours-admin"); Kind(err) != KindAPI {
		t.Errorf("an edit that stays: %v", err)
	}
}

// Where the session that asks is marked in the list of administrators, no edit is made to find out; an ambiguous list counts
// for nothing, and neither does that of a Panorama.
func TestWhoAmIOfTheSession(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) {
		o.Dialect = dialect.Dialect{Admins: dialect.AdminsSelf, Marking: dialect.MarkNothing}
	}, nil)
	if admin, err := WhoAmI(t.Context(), l.Device, "ours-admin"); err != nil || admin != svc || l.sim.Stats().Calls[panosim.KindConfigWrite] != 0 {
		t.Errorf("%q after %v, %v", admin, l.sim.Stats().Calls, err)
	}
	const entry = `<entry>%s<admin>%s</admin><from>192.0.2.10</from><type>Web</type><session-start>12/08 18:42:48</session-start><idle-for>00:00:00s</idle-for></entry>`
	mine, again, theirs, plain := fmt.Sprintf(entry, "<self/>", "svc"), fmt.Sprintf(entry, "<self></self>", "svc"), fmt.Sprintf(entry, "<self/>", "boss"), fmt.Sprintf(entry, "", "boss")
	for _, c := range []struct{ list, target, want string }{
		{plain + mine, "", "svc"}, {mine + plain + again, "", "svc"}, {plain, "", "by the edit"}, {mine + theirs, "", "by the edit"}, {"", "", "by the edit"},
		{mine, "012801000001", "by the edit"},
	} {
		s := newScript(t, func(form url.Values) string {
			switch {
			case strings.Contains(form.Get("cmd"), "<show><admins>"):
				return `<response status="success"><result><admins>` + c.list + `</admins></result></response>`
			case form.Get("action") == "get":
				return `<response status="success"><result><entry name="ours-admin" admin="by the edit"/></result></response>`
			}
			return success
		})
		s.opts.Target = c.target
		if admin, err := WhoAmI(t.Context(), s.Device, "ours-admin"); err != nil || admin != c.want {
			t.Errorf("%s through %q: %q, %v; want %q", c.list, c.target, admin, err, c.want)
		}
	}
}
