package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
)

// scanned is how many ports a scan tries if nobody says: one more than a source may with the default rules.
const scanned = 11

func (c *console) packet(args []string) error {
	p, err := parsePacket(args)
	if err != nil {
		return err
	}
	return c.send(p)
}

func (c *console) attack(args []string) error {
	p, err := parsePacket(args)
	if err != nil {
		return err
	}
	p.Threat = &traffic.Threat{Name: "Simulated Command Injection Vulnerability", ID: 99999}
	return c.send(p)
}

func (c *console) scan(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errUsage
	}
	ports := scanned
	if len(args) > 2 {
		var err error
		if ports, err = strconv.Atoi(args[2]); err != nil || ports < 1 || ports > 1000 {
			return fmt.Errorf("%q is not a number of ports from 1 to 1000", args[2])
		}
	}
	for i := range ports {
		p, err := parsePacket([]string{args[0], args[1], strconv.Itoa(8000 + i)})
		if err != nil {
			return err
		}
		p.Short = true // a look whether anybody listens
		if err := c.send(p); err != nil {
			return err
		}
	}
	return nil
}

// parsePacket reads what is common to the commands that send one.
func parsePacket(args []string) (p traffic.Packet, err error) {
	if len(args) < 3 || len(args) > 5 {
		return p, errUsage
	}
	p = traffic.Packet{From: "untrust", To: "trust", SourcePort: 40000}
	if p.Source, err = netip.ParseAddr(args[0]); err != nil {
		return p, err
	}
	if p.Destination, err = netip.ParseAddr(args[1]); err != nil {
		return p, err
	}
	port, err := strconv.ParseUint(args[2], 10, 16)
	if err != nil {
		return p, fmt.Errorf("port %q is not a number from 0 to 65535", args[2])
	}
	p.DestinationPort = uint16(port)
	if len(args) > 3 {
		p.From = args[3]
	}
	if len(args) > 4 {
		p.To = args[4]
	}
	return p, nil
}

// send has the machine decide, and shows what it does.
func (c *console) send(p traffic.Packet) error {
	p.VSys = c.vsys
	v := c.current.Traffic().Packet(p)
	if v.Rule == "" {
		return errors.New("nothing is forwarded here: only by a firewall that runs, and in a pair by the active one")
	}
	what := v.Action + " by rule " + v.Rule
	if v.Threat {
		what += ", and an attack was found"
	}
	if v.Session != 0 && v.Allowed && !p.Short {
		what += fmt.Sprintf(", as session %d", v.Session)
	}
	c.say("%s; %d log lines sent", what, v.Lines)
	return nil
}

// login has somebody guess passwords.
func (c *console) login(args []string) error {
	if len(args) < 2 || len(args) > 4 {
		return errUsage
	}
	client, err := netip.ParseAddr(args[0])
	if err != nil {
		return err
	}
	l := logs.Login{Event: "gateway-auth", Client: client, User: args[1], Method: "LDAP", Failed: true}
	if len(args) > 2 {
		event, known := map[string]string{"portal": "portal-auth", "gateway": "gateway-auth", "admin": ""}[args[2]]
		if !known {
			return errUsage
		}
		l.Event = event
	}
	times := 1
	if len(args) > 3 {
		if times, err = strconv.Atoi(args[3]); err != nil || times < 1 || times > 1000 {
			return fmt.Errorf("%q is not a number of logins from 1 to 1000", args[3])
		}
	}
	sent := 0
	for range times {
		sent += c.current.Traffic().Login(c.vsys, l)
	}
	c.say("%d failed logins of %s from %s; %d log lines sent", times, l.User, client, sent)
	return nil
}

func (c *console) sessions([]string) error {
	c.say("sessions that stand: %v", c.current.Traffic().Sessions())
	return nil
}
