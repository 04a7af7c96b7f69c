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

func (c *console) help([]string) error {
	for _, v := range commands() {
		c.lab.printer.line("help", "%-60s %s", strings.TrimSpace(v.name+" "+v.usage), v.help)
	}
	return nil
}

func (c *console) status([]string) error {
	for _, d := range c.lab.devices() {
		state := "alone"
		switch {
		case c.lab.panorama != nil && d.Sim == c.lab.panorama.Sim:
			state = "Panorama"
		case c.lab.pair != nil:
			state = string(c.lab.pair.State(d.Sim))
		}
		calls := 0
		for _, n := range d.Stats().Calls {
			calls += n
		}
		c.lab.printer.line(d.name, "%s, %s, %d addresses registered, %d edits pending, %d calls", d.URL(), state, d.Addresses().Count(), d.Config().Pending(""), calls)
	}
	return nil
}

func (c *console) use(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errUsage
	}
	i := slices.IndexFunc(c.lab.devices(), func(d device) bool { return d.name == args[0] })
	if i < 0 {
		return fmt.Errorf("no machine is called %s; \"status\" lists them", args[0])
	}
	vsys := strings.Join(args[1:], "")
	if vsys != "" && !slices.Contains(c.lab.settings.vsys, vsys) {
		return fmt.Errorf("no virtual system is called %s; there is %s", vsys, strings.Join(c.lab.settings.vsys, ", "))
	}
	c.current, c.vsys = c.lab.devices()[i], vsys
	c.say("commands are about this one now")
	return nil
}

func (c *console) tags(args []string) error {
	if len(args) > 1 {
		return errUsage
	}
	for _, vsys := range c.systems() {
		all := c.current.Addresses().Registered(vsys)
		addresses := make([]netip.Prefix, 0, len(all))
		for a, tags := range all {
			if len(args) == 0 || slices.Contains(tags, args[0]) {
				addresses = append(addresses, a)
			}
		}
		slices.SortFunc(addresses, netip.Prefix.Compare)
		for _, a := range addresses {
			c.say("%s %s %s", vsys, a, strings.Join(all[a], " "))
		}
		c.say("%s: %d addresses", vsys, len(addresses))
	}
	return nil
}

// systems are the virtual systems of the machine that commands are about.
func (c *console) systems() []string {
	if c.lab.panorama != nil && c.current.Sim == c.lab.panorama.Sim {
		return []string{"vsys1"}
	}
	return c.lab.settings.vsys
}

// prefix reads an address or a network.
func prefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		return netip.PrefixFrom(a, a.BitLen()), err
	}
	return netip.ParsePrefix(text)
}

func (c *console) tag(args []string) error {
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
	return c.current.Addresses().Register(c.vsys, a, args[1], timeout)
}

func (c *console) untag(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errUsage
	}
	a, err := prefix(args[0])
	if err != nil {
		return err
	}
	return c.current.Addresses().Unregister(c.vsys, a, strings.Join(args[1:], ""))
}

func (c *console) rules(args []string) error {
	for _, vsys := range c.named(args) {
		rules := c.current.Traffic().Rules(vsys)
		for i, r := range rules {
			from := []string{r.Location}
			if r.Location == "" {
				from = nil
			}
			if r.Disabled {
				from = append(from, "disabled")
			}
			c.say("%s %d %s: from %s %s to %s %s: %s %s", vsys, i+1, r.Name, strings.Join(r.From, ","), strings.Join(r.Source, ","),
				strings.Join(r.To, ","), strings.Join(r.Destination, ","), r.Action, strings.Join(from, " "))
		}
		c.say("%s: %d rules, then the default ones", vsys, len(rules))
	}
	return nil
}

// named are the virtual systems that are named, or all.
func (c *console) named(args []string) []string {
	if len(args) > 0 {
		return args
	}
	return c.systems()
}

func (c *console) lists(args []string) error {
	for _, vsys := range c.named(args) {
		names := c.current.Lists().Names(vsys)
		for _, name := range names {
			s, _ := c.current.Lists().State(vsys, name)
			text := fmt.Sprintf("%d entries, %d beyond the limit, %d invalid", s.Entries, s.Skipped, s.Invalid)
			if s.Stopped {
				text = "not enforced"
			}
			if s.Failure != "" {
				text += "; " + s.Failure
			}
			c.say("%s %s: %s", vsys, name, text)
		}
		c.say("%s: %d lists", vsys, len(names))
	}
	return nil
}

func (c *console) jobs([]string) error {
	jobs := c.current.Jobs()
	for _, j := range jobs {
		c.say("job %d %s of %s: %s %s %s", j.ID, j.Type, orNobody(j.User), j.Status, j.Result, strings.Join(j.Details, " | "))
	}
	c.say("%d jobs", len(jobs))
	return nil
}

func (c *console) fault(args []string) error {
	if len(args) == 0 || len(args) > 3 {
		return errUsage
	}
	if args[0] == "none" {
		c.current.ClearFaults()
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
	c.current.SetFault(f)
	return nil
}

func (c *console) storm(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	if args[0] == "none" {
		c.current.ClearFaults()
		return nil
	}
	seed, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a seed: a number from 0", args[0])
	}
	c.current.Storm(seed, panosim.StormOptions{})
	return nil
}

func (c *console) latency(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	c.current.SetLatency(d)
	return nil
}

func (c *console) dialect(args []string) error {
	d, err := dialect.Parse(strings.Join(args, ""))
	if err != nil {
		return err
	}
	c.current.SetDialect(d)
	c.say("dialect %s", d)
	return nil
}

func (c *console) certificate(args []string) error {
	i := slices.Index([]string{"valid", "expired", "other-name", "stranger"}, strings.Join(args, " "))
	if i < 0 {
		return errUsage
	}
	return c.current.SetCertificate(panosim.Certificate(i))
}

func (c *console) down([]string) error {
	c.current.Down()
	return nil
}

func (c *console) up([]string) error { return c.current.Up() }

func (c *console) reboot([]string) error {
	phase := c.lab.settings.restartTime
	c.current.Restart(panosim.RestartOptions{Down: phase, Gateway: phase, Locked: phase})
	c.say("restarts: refuses connections, then answers 502 and 503, then takes no key, each for %s", phase)
	return nil
}

// errNoPair is the answer to commands about a pair.
var errNoPair = errors.New("there is no pair; start with --pair")

func (c *console) failover([]string) error {
	if c.lab.pair == nil {
		return errNoPair
	}
	return c.lab.pair.Failover()
}

func (c *console) suspend([]string) error {
	if c.lab.pair == nil {
		return errNoPair
	}
	return c.lab.pair.Suspend(c.current.Sim)
}

func (c *console) resume([]string) error {
	if c.lab.pair == nil {
		return errNoPair
	}
	return c.lab.pair.Resume(c.current.Sim)
}

func (c *console) push(args []string) error {
	if len(args) != 1 {
		return errUsage
	}
	if c.lab.panorama == nil {
		return errors.New("there is no Panorama; start with --panorama")
	}
	return c.lab.panorama.Push(args[0])
}
