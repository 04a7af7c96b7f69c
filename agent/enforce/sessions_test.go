package enforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/xmlapi"
)

// letsEverythingIn is a configuration whose one rule allows all that comes from the internet.
const letsEverythingIn = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">
<zone><entry name="untrust"/><entry name="dmz"/></zone><rulebase><security><rules><entry name="web"><from><member>untrust</member></from>
<to><member>dmz</member></to><source><member>any</member></source><destination><member>any</member></destination>
<application><member>any</member></application><service><member>any</member></service><action>allow</action></entry>
</rules></security></rulebase></entry></vsys></entry></devices></config>`

// visit has a source begin a session, and gives its number.
func visit(t *testing.T, sim *panosim.Sim, source string) uint32 {
	t.Helper()
	v := sim.Traffic().Packet(traffic.Packet{From: "untrust", To: "dmz", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr("198.51.100.7"),
		SourcePort: 40000, DestinationPort: 443})
	if v.Session == 0 {
		t.Fatalf("no session of %s: %+v", source, v)
	}
	return v.Session
}

// runSessions runs a session ender against a simulated firewall until the end of the test or of stop.
func runSessions(t *testing.T, sim *panosim.Sim, log *lockedBuffer) (s *sessionEnder, stop func()) {
	t.Helper()
	device, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA(), RetryWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	s = newSessionEnder(device, zerolog.New(log))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	return s, stop
}

func TestTheSessionsOfABlockedSourceEnd(t *testing.T) {
	t.Parallel() // it waits between two calls
	sim := startSim(t, panosim.Options{Config: letsEverythingIn})
	var log lockedBuffer
	s, _ := runSessions(t, sim, &log)
	visit(t, sim, "203.0.113.1")
	stays := visit(t, sim, "203.0.113.2")
	visit(t, sim, "203.0.113.1")
	visit(t, sim, "2001:db8::1")
	s.end(blockedSince(time.Now(), "203.0.113.1/32", "203.0.113.0/24", "2001:db8::1/128"))
	until(t, "the sessions of both sources end", func() bool { return slices.Equal(sim.Traffic().Sessions(), []uint32{stays}) })
	if n := sim.Stats().Calls[panosim.KindClearSessions]; n != 2 {
		t.Errorf("%d calls for two sources: the command takes no network", n)
	}
	if n := log.count(`"level":"warn"`); n != 0 {
		t.Errorf("%d warnings are logged", n)
	}
}

func TestSourcesThatFindNoRoomInTheQueueAreToldOf(t *testing.T) {
	var log lockedBuffer
	s := newSessionEnder(nil, zerolog.New(&log)) // it is not run: nothing leaves the queue
	var all []string
	for i := range clearQueue + 7 {
		all = append(all, fmt.Sprintf("203.0.%d.%d/32", i/250, i%250))
	}
	s.end(blockedSince(time.Now(), all[:clearQueue]...))
	s.end(blockedSince(time.Now(), "198.51.100.0/24")) // needs no room
	if n := log.count("too many new blocks"); n != 0 || len(s.queue) != clearQueue {
		t.Errorf("%d are in the queue, and it is logged %d times that it is full", len(s.queue), n)
	}
	s.end(blockedSince(time.Now(), all[clearQueue:]...))
	if n := log.count(`"sources":7,"message":"too many new blocks at once`); n != 1 || len(s.queue) != clearQueue {
		t.Errorf("%d are in the queue, and it is logged %d times that seven found no room", len(s.queue), n)
	}
	if first := <-s.queue; first.String() != "203.0.0.0" {
		t.Errorf("the first is %s", first)
	}
}

// What fails for one source fails for the next: it is logged once, until it is another kind of trouble, or comes back.
func TestSessionsThatCannotBeEndedAreLoggedOnceAKind(t *testing.T) {
	t.Parallel() // it waits between two calls
	sim := startSim(t, panosim.Options{})
	var log lockedBuffer
	s, _ := runSessions(t, sim, &log)
	fault := func(effect panosim.Effect, calls int) panosim.Fault {
		return panosim.Fault{Effect: effect, Kind: panosim.KindClearSessions, Status: http.StatusNotFound, Calls: calls}
	}
	sim.AddFaults(fault(panosim.Forbidden, 2), fault(panosim.HTML, 1), fault(panosim.Deliver, 1), fault(panosim.HTML, 1))
	s.end(blockedSince(time.Now(), "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.4/32", "203.0.113.5/32", "203.0.113.6/32"))
	until(t, "all are tried", func() bool { return log.count(`"address":"203.0.113.6"`) > 0 })
	var told []string
	for _, line := range strings.Split(strings.TrimSpace(log.text()), "\n") {
		var entry struct{ Level, Kind, Address string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		told = append(told, strings.TrimSpace(entry.Level+" "+entry.Kind+entry.Address))
	}
	if want := []string{"warn auth", "warn http", "debug 203.0.113.4", "warn http", "debug 203.0.113.6"}; !slices.Equal(told, want) {
		t.Errorf("it tells %q instead of %q", told, want)
	}
}

func TestAStopWhileSessionsEndIsNotLogged(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	var log lockedBuffer
	_, idle := runSessions(t, sim, &log)
	idle() // with nothing to do, it waits for the stop alone
	s, stop := runSessions(t, sim, &log)
	sim.SetFault(panosim.Fault{Effect: panosim.Hang, Kind: panosim.KindClearSessions, Delay: time.Hour})
	s.end(blockedSince(time.Now(), "203.0.113.1/32", "203.0.113.2/32"))
	until(t, "it is asked", func() bool { return sim.Stats().Calls[panosim.KindClearSessions] > 0 })
	stop()
	if n := log.count("cannot clear"); n != 0 {
		t.Errorf("it is logged %d times", n)
	}
	if len(s.queue) != 1 {
		t.Errorf("%d wait: it went on after the stop", len(s.queue))
	}
}
