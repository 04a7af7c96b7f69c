package panosim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/candidate"
	"activedefense/firewall/panosim/dialect"
)

// PanoramaOptions says which Panorama to simulate. Its Options are those of the Panorama itself: the model is
// Panorama, the host name lab-panorama and the serial number 000700000000001 unless they are given. Config holds
// its device groups, and under /config/readonly which is whose parent; "" has none.
type PanoramaOptions struct {
	Options
	Managed []*Sim // firewalls that it manages from the start
}

// Panorama manages firewalls: calls that name one with target= are carried out there, and device groups and templates are pushed
// to them. Everything else a firewall can do as well, with the table of registered addresses of its own, which
// blocks nothing anywhere: passing it on to firewalls is not simulated, nor are log collection and pairs of
// Panoramas.
//
// Between Panorama and a firewall is no wire: faults, keys and roles are those of the Panorama alone.
type Panorama struct {
	*Sim

	mu      sync.Mutex // never taken with the lock of a firewall held
	managed map[string]*managed
}

// managed is a firewall that the Panorama knows.
type managed struct {
	sim *Sim
	cut bool // the connection between the two is down
}

// StartPanorama begins to serve. The caller ends it with Close, which leaves the firewalls as they are. The error
// says what Start says, or that two firewalls have the same serial number.
func StartPanorama(o PanoramaOptions) (*Panorama, error) {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.Model, "Panorama")
	def(&o.Hostname, "lab-panorama")
	def(&o.Serial, "000700000000001")
	if o.Config == "" {
		base := o.withDefaults()
		v, err := dialect.ParseVersion(base.Version)
		if err != nil {
			return nil, fmt.Errorf("start simulated Panorama: %w", err)
		}
		o.Config = candidate.PanoramaFactory(v, base.Admin, base.Hostname)
	}
	p := &Panorama{managed: map[string]*managed{}}
	for _, fw := range o.Managed {
		if err := p.Manage(fw); err != nil {
			return nil, fmt.Errorf("start simulated Panorama: %w", err)
		}
	}
	if _, err := startAs(o.Options, p); err != nil {
		return nil, err
	}
	return p, nil
}

// Manage has the Panorama manage a firewall. The error says that it manages another one of that serial number.
func (p *Panorama) Manage(fw *Sim) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	serial := fw.opts.Serial
	if known := p.managed[serial]; known != nil && known.sim != fw {
		return fmt.Errorf("two firewalls have the serial number %s", serial)
	}
	p.managed[serial] = &managed{sim: fw}
	return nil
}

// Disconnect cuts the connection to a firewall, or mends it. One that is down or restarts is not connected either.
// The error says that there is no such firewall.
func (p *Panorama) Disconnect(serial string, cut bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.managed[serial]
	if m == nil {
		return fmt.Errorf("no firewall with the serial number %s is managed", serial)
	}
	m.cut = cut
	return nil
}

// Serials gives those of the managed firewalls, sorted.
func (p *Panorama) Serials() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.managed))
}

// Why a firewall cannot be reached. No source shows the answers; the texts are ours.
var (
	errNotManaged   = errors.New("is not a managed device")
	errNotConnected = errors.New("not connected")
)

// firewall gives a managed firewall that is connected.
func (p *Panorama) firewall(serial string) (*Sim, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.managed[serial]
	switch {
	case m == nil:
		return nil, fmt.Errorf("%s %w", serial, errNotManaged)
	case !m.connected():
		return nil, fmt.Errorf("%s %w", serial, errNotConnected)
	}
	return m.sim, nil
}

func (m *managed) connected() bool { return !m.cut && m.sim.server.listening() && m.sim.boot.up() }

// answer carries out what a Panorama does and a firewall does not; false: nothing of the kind was asked. It may be
// called on nil.
func (p *Panorama) answer(c *call) (answer.Answer, bool) {
	if p == nil {
		return answer.Answer{}, false
	}
	kind := c.form.Get("type")
	if serial := c.form.Get("target"); serial != "" && slices.Contains([]string{"op", "config", "user-id", "commit"}, kind) {
		return p.forward(c, serial), true
	}
	if kind == "commit" && c.form.Get("action") == "all" {
		return p.commitAll(c), true
	}
	return answer.Answer{}, false
}

// forward has a firewall carry out the call. "target" works for op and config and is ignored by log and version
// (measured); clients send it with user-id and commit, too.
func (p *Panorama) forward(c *call, serial string) answer.Answer {
	fw, err := p.firewall(serial)
	if err != nil {
		return answer.Failure(17, err.Error())
	}
	inner := &call{form: maps.Clone(c.form), size: c.size, admin: c.admin, kind: KindOther}
	inner.form.Del("target")
	inner.form.Del("key")
	inner.classify()
	if !fw.life.enter() {
		return answer.Failure(17, serial+" "+errNotConnected.Error())
	}
	defer fw.life.leave()
	defer fw.meter.begin()()
	fw.meter.call(inner)
	fw.mu.Lock()
	latency := fw.latency
	fw.mu.Unlock()
	fw.life.wait(context.Background(), latency)
	return fw.carryOut(inner)
}

// showDevices answers "show devices all" and "show devices connected", which firewalls do not know (it may be called on nil), with the elements of a recorded
// answer that say which firewall is what.
func (p *Panorama) showDevices(r answer.Request) answer.Answer {
	if p == nil {
		return answer.Unexpected(r.Command)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	b.WriteString("<result><devices>")
	for _, serial := range slices.Sorted(maps.Keys(p.managed)) {
		m := p.managed[serial]
		if connected := m.connected(); connected || r.At.Child("all") != nil {
			writeDevice(&b, m.sim, connected)
		}
	}
	b.WriteString("</devices></result>")
	return answer.Success(b.String())
}

// writeDevice writes a firewall as its Panorama lists it.
func writeDevice(b *strings.Builder, s *Sim, connected bool) {
	yesNo := map[bool]string{true: "yes", false: "no"}
	o := s.opts
	fmt.Fprintf(b, `<entry name="%s"><serial>%[1]s</serial><connected>%s</connected>`, answer.Escape(o.Serial), yesNo[connected])
	answer.WriteFields(b, []answer.Field{{Name: "hostname", Value: o.Hostname}, {Name: "ip-address", Value: "127.0.0.1"}, {Name: "ipv6-address", Value: "unknown"},
		{Name: "model", Value: o.Model}, {Name: "sw-version", Value: o.Version}})
	b.WriteString("<ha>")
	if m := s.seat.Load(); m == nil {
		b.WriteString("<state>no</state>")
	} else {
		fmt.Fprintf(b, "<state>%s</state><peer><serial>%s</serial></peer>", m.pair.State(s), answer.Escape(m.peer().sim.opts.Serial))
	}
	fmt.Fprintf(b, "</ha><operational-mode>normal</operational-mode><multi-vsys>%s</multi-vsys><vsys>", yesNo[len(o.VSys) > 1])
	for _, vsys := range o.VSys {
		fmt.Fprintf(b, `<entry name="%s"><display-name>%[1]s</display-name></entry>`, answer.Escape(vsys))
	}
	b.WriteString("</vsys></entry>")
}
