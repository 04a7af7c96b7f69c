package edl

import (
	"net/netip"
	"testing"
	"time"
)

// A client that fetched regularly and stops is told once, and once that it is back; neither one that came a few times, nor one
// that takes its time, has stopped.
func TestClientsThatStopAreTold(t *testing.T) {
	o, c, log := testOptions(t)
	s := mustNew(t, o)
	start := c.now()
	regular, person, hourly := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	stopped := func() (list []netip.Addr) {
		for _, one := range s.Status().Clients {
			if one.Stopped {
				list = append(list, one.Addr)
			}
		}
		return list
	}
	step := func(what string, at time.Duration, fetches []netip.Addr, told, back int, want ...netip.Addr) {
		t.Helper()
		c.move(start.Add(at).Sub(c.now()))
		for _, a := range fetches {
			s.clients.fetched(a, c.now(), true)
		}
		for range 2 {
			s.watchClientsOnce()
		}
		if got := stopped(); len(got) != len(want) || len(got) == 1 && got[0] != want[0] ||
			log.count("has stopped") != told || log.count("fetches the list again") != back || log.count("list-unfetched") != told+back {
			t.Errorf("%s: stopped are %v, told %d and %d times", what, got, log.count("has stopped"), log.count("fetches the list again"))
		}
	}
	for i := range 5 {
		step("looking", time.Duration(i)*time.Minute, []netip.Addr{person}, 0, 0)
	}
	for i := range 37 {
		clients := []netip.Addr{regular}
		if i%12 == 0 {
			clients = append(clients, hourly)
		}
		step("regularly", time.Hour+time.Duration(i)*5*time.Minute, clients, 0, 0)
	}
	last := 4 * time.Hour
	step("not yet", last+15*time.Minute, nil, 0, 0)
	step("stopped", last+16*time.Minute, nil, 1, 0, regular)
	step("still", last+150*time.Minute, nil, 1, 0, regular)
	step("back", last+155*time.Minute, []netip.Addr{regular, hourly}, 1, 1)
	step("the stop was no rhythm", last+171*time.Minute, nil, 2, 1, regular)
	step("back again", last+172*time.Minute, []netip.Addr{regular}, 2, 2)
	step("both are gone", last+24*time.Hour, nil, 4, 2, regular, hourly)
	step("forgotten", last+9*24*time.Hour, nil, 4, 2)
}
