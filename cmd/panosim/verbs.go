package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

func (l *lab) help([]string) error {
	for _, c := range commands() {
		l.printer.line("help", "%-60s %s", strings.TrimSpace(c.name+" "+c.usage), c.help)
	}
	return nil
}

func (l *lab) status([]string) error {
	for _, d := range l.devices() {
		state := "alone"
		switch {
		case l.panorama != nil && d.Sim == l.panorama.Sim:
			state = "Panorama"
		case l.pair != nil:
			state = string(l.pair.State(d.Sim))
		}
		calls := 0
		for _, n := range d.Stats().Calls {
			calls += n
		}
		l.printer.line(d.name, "%s, %s, %d addresses registered, %d edits pending, %d calls", d.URL(), state, d.Addresses().Count(), d.Config().Pending(""), calls)
	}
	return nil
}

func (l *lab) use(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errUsage
	}
	i := slices.IndexFunc(l.devices(), func(d device) bool { return d.name == args[0] })
	if i < 0 {
		return fmt.Errorf("no machine is called %s; \"status\" lists them", args[0])
	}
	vsys := strings.Join(args[1:], "")
	if vsys != "" && !slices.Contains(l.settings.vsys, vsys) {
		return fmt.Errorf("no virtual system is called %s; there is %s", vsys, strings.Join(l.settings.vsys, ", "))
	}
	l.current, l.vsys = l.devices()[i], vsys
	l.say("commands are about this one now")
	return nil
}

func (l *lab) tags(args []string) error {
	if len(args) > 1 {
		return errUsage
	}
	for _, vsys := range l.systems() {
		all := l.current.Addresses().Registered(vsys)
		addresses := make([]netip.Prefix, 0, len(all))
		for a, tags := range all {
			if len(args) == 0 || slices.Contains(tags, args[0]) {
				addresses = append(addresses, a)
			}
		}
		slices.SortFunc(addresses, netip.Prefix.Compare)
		for _, a := range addresses {
			l.say("%s %s %s", vsys, a, strings.Join(all[a], " "))
		}
		l.say("%s: %d addresses", vsys, len(addresses))
	}
	return nil
}

// systems are the virtual systems of the machine that commands are about.
func (l *lab) systems() []string {
	if l.panorama != nil && l.current.Sim == l.panorama.Sim {
		return []string{"vsys1"}
	}
	return l.settings.vsys
}

// prefix reads an address or a network.
func prefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		return netip.PrefixFrom(a, a.BitLen()), err
	}
	return netip.ParsePrefix(text)
}

func (l *lab) tag(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errUsage
	}
	a, err := prefix(args[0])
	if err != nil {
		return err
	}
	var timeout time.Duration
	if len(args) == 3 {
		if timeout, err = time.ParseDuration(args[2]); err != nil {
			return err
		}
	}
	return l.current.Addresses().Register(l.vsys, a, args[1], timeout)
}

func (l *lab) untag(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errUsage
	}
	a, err := prefix(args[0])
	if err != nil {
		return err
	}
	return l.current.Addresses().Unregister(l.vsys, a, strings.Join(args[1:], ""))
}

func (l *lab) rules(args []string) error {
	for _, vsys := range l.named(args) {
		rules := l.current.Traffic().Rules(vsys)
		for i, r := range rules {
			from := []string{r.Location}
			if r.Location == "" {
				from = nil
			}
			if r.Disabled {
				from = append(from, "disabled")
			}
			l.say("%s %d %s: from %s %s to %s %s: %s %s", vsys, i+1, r.Name, strings.Join(r.From, ","), strings.Join(r.Source, ","),
				strings.Join(r.To, ","), strings.Join(r.Destination, ","), r.Action, strings.Join(from, " "))
		}
		l.say("%s: %d rules, then the default ones", vsys, len(rules))
	}
	return nil
}

// named are the virtual systems that are named, or all.
func (l *lab) named(args []string) []string {
	if len(args) > 0 {
		return args
	}
	return l.systems()
}

func (l *lab) lists(args []string) error {
	for _, vsys := range l.named(args) {
		names := l.current.Lists().Names(vsys)
		for _, name := range names {
			s, _ := l.current.Lists().State(vsys, name)
			text := fmt.Sprintf("%d entries, %d beyond the limit, %d invalid", s.Entries, s.Skipped, s.Invalid)
			if s.Stopped {
				text = "not enforced"
			}
			if s.Failure != "" {
				text += "; " + s.Failure
			}
			l.say("%s %s: %s", vsys, name, text)
		}
		l.say("%s: %d lists", vsys, len(names))
	}
	return nil
}

func (l *lab) jobs([]string) error {
	jobs := l.current.Jobs()
	for _, j := range jobs {
		l.say("job %d %s of %s: %s %s %s", j.ID, j.Type, orNobody(j.User), j.Status, j.Result, strings.Join(j.Details, " | "))
	}
	l.say("%d jobs", len(jobs))
	return nil
}

func (l *lab) fault(args []string) error {
	if len(args) == 0 || len(args) > 3 {
		return errUsage
	}
	if args[0] == "none" {
		l.current.ClearFaults()
		return nil
	}
	f := panosim.Fault{Calls: 1}
	var err error
	if f.Effect, err = panosim.ParseEffect(args[0]); err != nil {
		return err
	}
	if len(args) > 1 {
		if f.Calls, err = strconv.Atoi(args[1]); err != nil || f.Calls < 0 {
			return fmt.Errorf("%q is not a number of calls", args[1])
		}
	}
	if len(args) > 2 {
		if f.Delay, err = time.ParseDuration(args[2]); err != nil {
			return err
		}
	}
	l.current.SetFault(f)
	return nil
}

func (l *lab) storm(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	if args[0] == "none" {
		l.current.ClearFaults()
		return nil
	}
	seed, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a seed: a number from 0", args[0])
	}
	l.current.Storm(seed, panosim.StormOptions{})
	return nil
}

func (l *lab) latency(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	l.current.SetLatency(d)
	return nil
}

func (l *lab) dialect(args []string) error {
	d, err := dialect.Parse(strings.Join(args, ""))
	if err != nil {
		return err
	}
	l.current.SetDialect(d)
	l.say("dialect %s", d)
	return nil
}

func (l *lab) certificate(args []string) error {
	i := slices.Index([]string{"valid", "expired", "other-name", "stranger"}, strings.Join(args, " "))
	if i < 0 {
		return errUsage
	}
	return l.current.SetCertificate(panosim.Certificate(i))
}

func (l *lab) down([]string) error {
	l.current.Down()
	return nil
}

func (l *lab) up([]string) error { return l.current.Up() }

func (l *lab) reboot([]string) error {
	phase := l.settings.restartTime
	l.current.Restart(panosim.RestartOptions{Down: phase, Gateway: phase, Locked: phase})
	l.say("restarts: refuses connections, then answers 502 and 503, then takes no key, each for %s", phase)
	return nil
}

// errNoPair is the answer to commands about a pair.
var errNoPair = errors.New("there is no pair; start with --pair")

func (l *lab) failover([]string) error {
	if l.pair == nil {
		return errNoPair
	}
	return l.pair.Failover()
}

func (l *lab) suspend([]string) error {
	if l.pair == nil {
		return errNoPair
	}
	return l.pair.Suspend(l.current.Sim)
}

func (l *lab) resume([]string) error {
	if l.pair == nil {
		return errNoPair
	}
	return l.pair.Resume(l.current.Sim)
}

func (l *lab) push(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	if l.panorama == nil {
		return errors.New("there is no Panorama; start with --panorama")
	}
	return l.panorama.Push(args[0])
}
