package trouble

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/members"
	"activedefense/agent/tail"
	"activedefense/config"
)

// A firewall that runs out of room is a trouble, with how much is used where that is known.
func TestRoomThatRunsShortIsATrouble(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := Firewalls([]enforce.Status{
		{Name: "fw1", Up: true, Capacity: 1000, CapacityUsed: 899},
		{Name: "fw2", Up: true, Capacity: 1000, CapacityUsed: 1000, CapacityFrom: "its model", LeftOut: 300, FullSince: &since},
		{Name: "fw3", Up: true, LeftOut: 1, FullSince: &since},
	}, since)
	if len(got) != 2 || !got[0].Since.Equal(since) || got[0].Remedy == "" ||
		!strings.Contains(got[0].What, "fw2 is running out of room: 1000 of 1000 used (as its model says): 300 blocked sources") ||
		!strings.Contains(got[1].What, "fw3 is running out of room: 1 blocked source") {
		t.Errorf("%+v", got)
	}
}

// More files than are followed at once are a trouble, with what becomes of them.
func TestMoreFilesThanAreFollowedAreATrouble(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := Crowds([]line.Crowd{{Crowd: tail.Crowd{Pattern: "/var/log/Firewall/*.log", Followed: 10000, Resting: 900, Waiting: 7}, Since: since}})
	if len(got) != 1 || !got[0].Since.Equal(since) || !strings.Contains(got[0].Remedy, "inputs[].max_files") ||
		!strings.Contains(got[0].What, "more files match /var/log/Firewall/*.log than are followed at once: 10000 are, those with news first; 900 rest") {
		t.Errorf("%+v", got)
	}
}

// A client of the list that has stopped is a trouble, and so is that nobody ever came where a firewall has nothing else.
func TestAListThatIsNotFetchedIsATrouble(t *testing.T) {
	started := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	byList := &config.Config{Firewalls: []config.Firewall{{Mode: "dynamic-tag"}, {Mode: "edl"}}}
	byTag := &config.Config{Firewalls: []config.Firewall{{Mode: "dynamic-tag"}}}
	rests := &config.Config{Firewalls: []config.Firewall{{URL: "https://192.0.2.1:4443", Mode: "edl", Maintenance: true}}}
	one := edl.Client{Addr: netip.MustParseAddr("192.0.2.1"), LastFetch: started.Add(time.Hour), Stopped: true}
	for _, c := range []struct {
		name  string
		cfg   *config.Config
		list  edl.Status
		up    time.Duration
		since time.Time // zero: not known
		says  string
	}{
		{"it is fetched", byList, edl.Status{Loaded: true, Fetches: 9, Clients: []edl.Client{{Addr: one.Addr}}}, time.Hour, time.Time{}, ""},
		{"one has stopped", byList, edl.Status{Loaded: true, Fetches: 9, Clients: []edl.Client{one, {}}}, time.Hour, one.LastFetch, "list-unfetched: 192.0.2.1 fetched"},
		{"one has stopped that is in maintenance", rests, edl.Status{Loaded: true, Fetches: 9, Clients: []edl.Client{one}}, time.Hour, time.Time{}, ""},
		{"another has stopped", rests, edl.Status{Loaded: true, Fetches: 9, Clients: []edl.Client{{Addr: one.Addr.Next(), Stopped: true}}}, time.Hour, time.Time{}, "list-unfetched: 192.0.2.2"},
		{"nobody came, and the only one is in maintenance", rests, edl.Status{Loaded: true}, time.Hour, time.Time{}, ""},
		{"nobody came", byList, edl.Status{Loaded: true}, 15 * time.Minute, started, "list-unfetched: nobody"},
		{"nobody came yet", byList, edl.Status{Loaded: true}, 14 * time.Minute, time.Time{}, ""},
		{"nobody has to", byTag, edl.Status{Loaded: true}, time.Hour, time.Time{}, ""},
		{"there is none", byList, edl.Status{}, time.Hour, started, "list: there is none yet"},
		{"there is none yet", byList, edl.Status{}, 59 * time.Second, time.Time{}, ""},
		{"it is an old one", byTag, edl.Status{Loaded: true, LastGood: true, Updated: started}, time.Hour, started, "list: it is served as it was last saved, as of 2026-03-01"},
		{"it cannot be saved", byTag, edl.Status{Loaded: true, SaveError: "disk full"}, time.Hour, time.Time{}, "list: it cannot be saved"},
		{"no certificate", byTag, edl.Status{Loaded: true, CertError: "no key"}, time.Hour, time.Time{}, "certificate: no new one"},
		{"the certificate has ended", byTag, edl.Status{Loaded: true, CertNotAfter: started, CertInvalid: "the certificate expired at 2026-03-01T12:00:00Z"}, time.Hour, time.Time{}, "certificate: that of the list is not valid: the certificate expired at 2026-03-01T12:00:00Z; connections are closed"},
		{"it lacks the host of edl.url", byTag, edl.Status{Loaded: true, CertLacks: "edl.example", CertNames: []string{"a.example", "192.0.2.1"}}, time.Hour, time.Time{},
			"certificate: that of the list lacks edl.example, the host of edl.url, and a firewall that checks the name does not enforce the list; its names: a.example; 192.0.2.1"},
		{"it lacks what is asked for", byTag, edl.Status{Loaded: true, Asked: []edl.Asked{{Client: one.Addr, Name: "other.example", First: started.Add(time.Hour)}, {Client: one.Addr.Next(), Name: `"\x1b"`}}}, time.Hour, started.Add(time.Hour),
			`certificate: that of the list lacks what clients ask for, and one that checks the name does not take the list: 192.0.2.1 for other.example; 192.0.2.2 for "\x1b"; its names: none`},
		{"the certificate ends", byTag, edl.Status{Loaded: true, CertNotAfter: started.Add(10 * 24 * time.Hour)}, time.Hour, started.Add(-4 * 24 * time.Hour), "certificate: that of the list ends at 2026-03-11"},
		{"the certificate is issued for days", byTag, edl.Status{Loaded: true, CertNotBefore: started.Add(time.Minute), CertNotAfter: started.Add(10 * 24 * time.Hour)}, time.Hour, started.Add(time.Minute), "certificate: that of the list ends at 2026-03-11"},
		{"the CA ends", byTag, edl.Status{Loaded: true, CAFile: "/s/ca.crt", CAEnds: started.Add(59 * 24 * time.Hour)}, time.Hour, started.Add(-24 * time.Hour), "certificate: the CA of the list, /s/ca.crt, ends at 2026-04-29"},
		{"the CA does not end", byTag, edl.Status{Loaded: true, CAFile: "/s/ca.crt", CAEnds: started.Add(61 * 24 * time.Hour)}, time.Hour, time.Time{}, ""},
		{"the certificate does not end", byTag, edl.Status{Loaded: true, CertNotAfter: started.Add(15 * 24 * time.Hour)}, time.Hour, time.Time{}, ""},
	} {
		got := List(&c.list, c.cfg, started, started.Add(c.up))
		if (c.says == "") != (len(got) == 0) || len(got) > 0 && (!got[0].Since.Equal(c.since) || !strings.HasPrefix(got[0].What, c.says) || got[0].Remedy == "") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// What another put on a firewall is a trouble, with the first addresses and both ways out of it.
func TestStraysAreATrouble(t *testing.T) {
	since := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := Firewalls([]enforce.Status{{Name: "fw1", Up: true}, {Name: "fw2", Up: true, Strays: 1, StraysNamed: []string{"203.0.113.1"}, StraysSince: &since},
		{Name: "fw3", Up: true, Strays: 7, StraysNamed: []string{"203.0.113.1", "203.0.113.2"}, StraysSince: &since}}, since)
	if len(got) != 2 || got[0].Kind() != "strays" || !got[0].Since.Equal(since) || !strings.Contains(got[0].Remedy, "store.url") || !strings.Contains(got[0].Remedy, "activedefense store accept") ||
		!strings.Contains(got[0].What, "fw2 holds under our tag 1 address that this database never blocked: 203.0.113.1; none") ||
		!strings.Contains(got[1].What, "7 addresses that this database never blocked: 203.0.113.1, 203.0.113.2 and others; none") {
		t.Errorf("%+v", got)
	}
}

// Another agent that is silent, or behind for a minute, is a trouble: the first with the command that ends it.
func TestAnotherAgentThatIsAwayIsATrouble(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long := now.Add(-time.Minute)
	got := Members([]members.Status{
		{Name: "north", State: members.Behind, Since: long, Self: true},
		{Name: "east", State: members.Behind, Since: long.Add(time.Second)},
		{Name: "west", Host: "log3", State: members.Behind, Since: long, Behind: "/l/1.log: permission denied"},
		{Name: "south", Host: "log2", State: members.Silent, Since: now},
		{Name: "up", State: members.OK, Since: long},
		{Name: "who", State: members.Unknown, Since: long},
	}, now)
	if len(got) != 2 || got[0].Kind() != "members" || !strings.Contains(got[0].What, "west on log3 is behind") || !strings.Contains(got[0].What, "permission denied") ||
		!strings.Contains(got[1].What, "south on log2 has given no sign of life") || !strings.Contains(got[1].Remedy, "activedefense members forget south") || !got[1].Since.Equal(now) {
		t.Errorf("%+v", got)
	}
}
