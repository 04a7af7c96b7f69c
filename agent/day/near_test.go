package day

import (
	"net/netip"
	"time"
)

// nearly is how many sources there are of each kind of near-miss.
const nearly = 25

// nearKinds stay one below a threshold, or come one window too late: nothing may come of them.
func nearKinds() []kind {
	return []kind{
		{name: "ten ports", sources: nearly, act: func(d *day, src netip.Addr) { ports(d, src, d.sometime(1), 0, 10) }},
		{name: "the eleventh port a window late", sources: nearly, act: func(d *day, src netip.Addr) {
			at := d.sometime(1)
			ports(d, src, at, 0, 10)
			d.refused(at.Add(10*time.Minute), src, web(7), 4000, "tcp")
			ports(d, src, at.Add(20*time.Minute), 10, 9)
		}},
		{name: "nine hosts", sources: nearly, act: func(d *day, src netip.Addr) { hosts(d, src, d.sometime(1), 9) }},
		{name: "the tenth host a window late", sources: nearly, act: func(d *day, src netip.Addr) {
			at := d.sometime(1)
			hosts(d, src, at, 9)
			d.refused(at.Add(10*time.Minute), src, ours(220), 3389, "tcp")
		}},
		{name: "nine pings", sources: nearly, act: func(d *day, src netip.Addr) {
			at := d.sometime(1)
			for i := range 40 {
				d.refused(at.Add(time.Duration(i)*time.Second), src, ours(2+i%9), 0, "icmp")
			}
		}},
		{name: "29 targets", sources: nearly, act: func(d *day, src netip.Addr) { probed(d, src, d.sometime(20), 29, 0) }},
		{name: "30 targets, one answered before", sources: nearly, act: func(d *day, src netip.Addr) { probed(d, src, d.sometime(20), 30, 1) }},
		{name: "the thirtieth target a day late", sources: nearly, act: func(d *day, src netip.Addr) {
			at := hour(0.3 * d.dice.Float64())
			probed(d, src, at, 29, 0)
			d.refused(at.Add(24*time.Hour), src, ours(2), 5900, "tcp")
		}},
		{name: "ten failed logins", sources: nearly, act: func(d *day, src netip.Addr) { failures(d, src, d.sometime(1), 10) }},
		{name: "the eleventh failed login a window late", sources: nearly, act: func(d *day, src netip.Addr) {
			at := d.sometime(1)
			failures(d, src, at, 10)
			failures(d, src, at.Add(10*time.Minute), 1)
		}},
		{name: "high vulnerability", sources: nearly, act: func(d *day, src netip.Addr) {
			d.threatened(d.sometime(1), src, web(0), 443, "HTTP Directory Traversal Vulnerability(30844)", "high", "client-to-server")
		}},
		{name: "brute force by an id that is not named", sources: nearly, act: func(d *day, src netip.Addr) {
			d.threatened(d.sometime(1), src, portal, 443, "Palo Alto Networks GlobalProtect Authentication Brute Force Attempt(40017)", "medium", "client-to-server").category = "brute-force"
		}},
		{name: "nine hosts out of a /64", sources: nearly, v6: true, act: func(d *day, network netip.Addr) {
			at := d.sometime(1)
			for i := range 30 {
				d.refused(at.Add(time.Duration(i*9)*time.Second), host(network, 1+i), web6(i%9), 22, "tcp")
			}
		}},
		{name: "a flood with our address for its aim", sources: nearly, act: func(d *day, src netip.Addr) {
			at := d.sometime(1)
			for i := range 20 {
				e := d.threatened(at.Add(time.Duration(i)*time.Second), src, web(i), 0, "TCP Flood(8501)", "critical", "client-to-server")
				e.subtype, e.app, e.action, e.category, e.srcPort = "flood", "not-applicable", "drop", "flood", 0
			}
		}},
		{name: "only starts of sessions", sources: nearly, act: func(d *day, src netip.Addr) {
			at := d.sometime(1)
			for i := range 20 {
				e := d.served(at.Add(time.Duration(i)*time.Second), src, web(i), 443, "incomplete")
				e.subtype, e.sent, e.got, e.end = "start", 0, 0, "n/a"
			}
		}},
	}
}

// ports reaches so many ports of one address within five minutes, the first at once.
func ports(d *day, src netip.Addr, at time.Time, from, n int) {
	for i := range n {
		d.refused(at.Add(time.Duration(i*30)*time.Second), src, web(7), 3000+from+i, "tcp")
	}
}

// hosts reaches so many addresses on one port, each three times, the first of them once.
func hosts(d *day, src netip.Addr, at time.Time, n int) {
	for i := range n {
		d.refused(at.Add(time.Duration(i*30)*time.Second), src, ours(120+i), 3389, "tcp")
		for range min(i, 2) {
			d.refused(at.Add(time.Duration(i*30+3)*time.Second), src, ours(120+i), 3389, "tcp")
		}
	}
}

// probed tries so many targets, one every half an hour, and is served at some before.
func probed(d *day, src netip.Addr, at time.Time, n, answered int) {
	for i := range answered {
		d.served(at, src, web(i), 443, "ssl")
	}
	hosts, ports := d.targets(n)
	for i := range hosts {
		d.refused(at.Add(time.Duration(i*30)*time.Minute), src, hosts[i], ports[i], "tcp")
	}
}

func failures(d *day, src netip.Addr, at time.Time, n int) {
	for i := range n {
		d.login(at.Add(time.Duration(i*50)*time.Second), src, "portal-auth", "LDAP", user(d), wrongPassword, "failure")
	}
}
