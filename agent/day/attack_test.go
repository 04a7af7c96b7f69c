package day

import (
	"fmt"
	"net/netip"
	"time"
)

// each is how many sources there are of most kinds of attack.
const each = 60

// attackKinds attack: each source is to be blocked by a rule that fits.
func attackKinds() []kind {
	return []kind{
		{name: "fast scan of TCP ports", sources: each, rules: "port-scan", grade: "forgeable", act: portScan},
		{name: "sweep of remote desktops", sources: each, rules: "host-sweep", grade: "forgeable", act: hostSweep},
		{name: "ping sweep", sources: each, rules: "host-sweep", grade: "forgeable", act: pingSweep},
		{name: "slow probe", sources: each, rules: "probe", grade: "forgeable", act: slowProbe},
		{name: "slow probe with some answers", sources: each, rules: "probe", grade: "forgeable", act: answeredProbe},
		{name: "grid of hosts and ports", sources: each, rules: "probe", grade: "forgeable", act: grid},
		{name: "half-open scan of open ports", sources: each, rules: "host-sweep", grade: "forgeable", act: halfOpenScan},
		{name: "critical vulnerability", sources: each, rules: "vulnerability", grade: "proven", act: exploit},
		{name: "guessing passwords, seen in our server's answers", sources: each, rules: "vulnerability", grade: "proven", act: refusedGuessing},
		{name: "guessing passwords, seen from the client", sources: each, rules: "vulnerability", grade: "proven", act: guessing},
		{name: "guessing a GlobalProtect password", sources: each, rules: "login", grade: "proven", act: vpnGuessing},
		{name: "one password for many users", sources: each, rules: "login", grade: "proven", act: spray},
		{name: "guessing an administrator's password", sources: each, rules: "login", grade: "proven", act: adminGuessing},
		{name: "scan of UDP ports", sources: each, rules: "port-scan", grade: "forgeable", act: udpScan},
		{name: "scan beside a served session", sources: each, rules: "port-scan", grade: "forgeable", act: servedScan},
		{name: "hopping within a /64", sources: each, v6: true, rules: "host-sweep", grade: "forgeable", act: hopping},
		{name: "sweep of sessions that a rule denies by application", sources: each, rules: "host-sweep", grade: "proven", act: deniedSessions},
		{name: "sweep that the firewall found by itself", sources: each, rules: "host-sweep", grade: "forgeable", act: firewallsFinding},
		{name: "scan from port 443 after ours called once", sources: each, rules: "port-scan", grade: "forgeable", act: behindAnswers},
		{name: "scan with a forged header", sources: each, rules: "port-scan", grade: "forgeable", act: forgedHeader},
		{name: "scan across the end of summer time", sources: each, rules: "port-scan", grade: "forgeable", act: acrossTheHour},
		{name: "sweep that goes on", sources: each, rules: "host-sweep", grade: "forgeable", act: persistent},
		{name: "eleven ports within a window", sources: each, rules: "port-scan", grade: "forgeable", act: elevenPorts},
		{name: "ten hosts within a window", sources: each, rules: "host-sweep", grade: "forgeable", act: tenHosts},
		{name: "thirty targets within a day", sources: each, rules: "probe", grade: "forgeable", act: thirtyTargets},
		{name: "eleven failed logins within a window", sources: each, rules: "login", grade: "proven", act: elevenFailures},
		{name: "scan through the content network", sources: each, rules: "port-scan", grade: "forgeable", observed: true, act: throughProxy},
	}
}

func portScan(d *day, src netip.Addr) {
	at, dst := d.sometime(1), web(d.dice.IntN(webCount))
	for i, port := range d.dice.Perm(1024)[:12+d.dice.IntN(40)] {
		d.refused(at.Add(time.Duration(i*3)*time.Second), src, dst, 1+port, "tcp")
	}
}

func hostSweep(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i, n := range d.dice.Perm(200)[:10+d.dice.IntN(40)] {
		d.refused(at.Add(time.Duration(i*8)*time.Second), src, ours(2+n), 3389, "tcp")
	}
}

func pingSweep(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i, n := range d.dice.Perm(200)[:10+d.dice.IntN(40)] {
		d.refused(at.Add(time.Duration(i*5)*time.Second), src, ours(2+n), 0, "icmp")
	}
}

// targets are so many pairs of our addresses and ports.
func (d *day) targets(n int) (hosts []netip.Addr, ports []int) {
	for _, x := range d.dice.Perm(200 * 50)[:n] {
		hosts, ports = append(hosts, ours(2+x%200)), append(ports, 20+x/200)
	}
	return hosts, ports
}

// slowProbe tries another target every 40 minutes.
func slowProbe(d *day, src netip.Addr) {
	at := d.sometime(21)
	hosts, ports := d.targets(31)
	for i := range hosts {
		d.refused(at.Add(time.Duration(i*40)*time.Minute), src, hosts[i], ports[i], "tcp")
	}
}

func answeredProbe(d *day, src netip.Addr) {
	at := d.sometime(23)
	for i := range 3 {
		d.served(at.Add(time.Duration(i)*time.Minute), src, web(i*3), 443, "ssl")
	}
	hosts, ports := d.targets(34)
	for i := range hosts {
		d.refused(at.Add(time.Duration(10+i*35)*time.Minute), src, hosts[i], ports[i], "tcp")
	}
}

// grid tries nine ports of nine hosts: too few of either for the rules that look for many.
func grid(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i, x := range d.dice.Perm(81) {
		d.refused(at.Add(time.Duration(i*6)*time.Second), src, ours(60+x%9), 20+x/9, "tcp")
	}
}

func halfOpenScan(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i := range 15 {
		d.halfOpen(at.Add(time.Duration(i*4)*time.Second), src, web(i), 443)
	}
}

func exploit(d *day, src netip.Addr) {
	e := d.threatened(d.sometime(1), src, portal, 443, "Palo Alto Networks GlobalProtect OS Command Injection Vulnerability(95187)", "critical", "client-to-server")
	e.to, e.natDPort = "untrust", 20077
}

// refusedGuessing is logged as the packet has it: our server's refusal, to the one who guessed.
func refusedGuessing(d *day, src netip.Addr) {
	e := d.threatened(d.sometime(1), ours(70), src, 0, "SSH User Authentication Brute Force Attempt(40015)", "high", "server-to-client")
	e.srcPort, e.dstPort, e.app, e.category, e.from, e.to = 22, d.ephemeral(), "ssh", "brute-force", "dmz", "untrust"
}

func guessing(d *day, src netip.Addr) {
	x := []struct {
		port      int
		app, what string
	}{
		{21, "ftp", "FTP: login Brute Force attempt(40001)"}, {389, "ldap", "LDAP: User Login Brute Force Attempt(40005)"},
		{25, "smtp", "MAIL: User Login Brute Force Attempt(40007)"}, {22, "ssh", "SSH User Authentication Brute Force Attempt(40015)"},
	}[d.dice.IntN(4)]
	e := d.threatened(d.sometime(1), src, ours(70), x.port, x.what, "high", "client-to-server")
	e.app, e.category = x.app, "brute-force"
}

func vpnGuessing(d *day, src netip.Addr) {
	at, who := d.sometime(1), user(d)
	for i := range 12 {
		d.login(at.Add(time.Duration(i*40)*time.Second), src, "gateway-auth", "", who, wrongPassword, "failure")
	}
}

func spray(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i := range 12 {
		d.login(at.Add(time.Duration(i*30)*time.Second), src, "portal-auth", "LDAP", fmt.Sprintf("staff%03d", i), wrongPassword, "failure")
	}
}

func adminGuessing(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i := range 14 {
		d.told(at.Add(time.Duration(i*20)*time.Second), src, "admin", "Invalid username/password")
	}
}

func udpScan(d *day, src netip.Addr) {
	at, dst := d.sometime(1), ours(80)
	for i, port := range d.dice.Perm(1024)[:15] {
		d.refused(at.Add(time.Duration(i*3)*time.Second), src, dst, 1+port, "udp")
	}
}

func servedScan(d *day, src netip.Addr) {
	at, dst := d.sometime(1), web(3)
	d.served(at, src, dst, 443, "web-browsing")
	for i := range 12 {
		d.refused(at.Add(time.Duration(1+i*3)*time.Second), src, dst, 1000+i, "tcp")
	}
	d.served(at.Add(time.Minute), src, dst, 80, "web-browsing")
}

func hopping(d *day, network netip.Addr) {
	at := d.sometime(1)
	for i := range 12 {
		d.refused(at.Add(time.Duration(i*30)*time.Second), host(network, 1+d.dice.IntN(60000)), web6(i), 22, "tcp")
	}
}

// deniedSessions reach an application before a rule denies it: their source was there.
func deniedSessions(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i := range 12 {
		e := d.served(at.Add(time.Duration(i*10)*time.Second), src, ours(100+i), 22, "ssh")
		e.subtype, e.action, e.end, e.rule = "deny", "reset-both", "policy-deny", "no-administration-from-outside"
	}
}

func firewallsFinding(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i := range 12 {
		e := d.threatened(at.Add(time.Duration(i*10)*time.Second), src, ours(100+i), 445, "SCAN: Host Sweep(8002)", "medium", "server-to-client")
		e.subtype, e.app, e.action, e.category, e.rule = "scan", "not-applicable", "alert", "scan", ""
	}
}

// behindAnswers scans from the port to which one of ours had a session.
func behindAnswers(d *day, src netip.Addr) {
	at := d.sometime(1)
	port := d.called(at, inside(1300), src, 443, "tcp", "ssl", true)
	d.stray(at.Add(time.Second), src, 443, natPool, port, "tcp")
	for i := range 14 {
		d.stray(at.Add(time.Duration(2+i)*time.Second), src, 443, natPool, 2000+i, "tcp")
	}
}

// forgedHeader names somebody else as the client.
func forgedHeader(d *day, src netip.Addr) {
	at, own := d.sometime(1), d.kind
	d.kind = &kind{name: "bystanders in forged headers", sort: legitimate}
	victim := d.newcomer()
	d.kind = own
	for i := range 14 {
		d.refused(at.Add(time.Duration(i)*time.Second), src, web(4), 100+i, "tcp").client = victim
	}
}

// acrossTheHour reaches six ports at the end of summer time and five behind it: three minutes apart, and 57 back by the clock.
func acrossTheHour(d *day, src netip.Addr) {
	for i := range 6 {
		d.refused(hour(2.96).Add(time.Duration(i)*time.Second), src, web(5), 200+i, "tcp")
	}
	for i := range 5 {
		d.refused(hour(3.02).Add(time.Duration(i)*time.Second), src, web(5), 300+i, "tcp")
	}
}

// persistent is blocked, and goes on all day.
func persistent(d *day, src netip.Addr) {
	at := d.sometime(12)
	for i := range 120 {
		d.refused(at.Add(time.Duration(i*6)*time.Minute/10), src, ours(2+i%200), 23, "tcp")
	}
}

// throughProxy scans by way of a proxy of ours, which says so. The firewall sees the proxy alone, so that a block would not help.
func throughProxy(d *day, src netip.Addr) {
	at, proxies := d.sometime(1), d.of[proxyKind]
	for i := range 14 {
		d.refused(at.Add(time.Duration(i)*time.Second), proxies[d.dice.IntN(len(proxies))], web(6), 400+i, "tcp").client = src
	}
}

// The next four do just as much as fires their rules, the last of it a second before the window is over.

const almost = 10*time.Minute - time.Second

func elevenPorts(d *day, src netip.Addr) {
	at := d.sometime(1)
	ports(d, src, at, 0, 10)
	d.refused(at.Add(almost), src, web(7), 3999, "tcp")
}

func tenHosts(d *day, src netip.Addr) {
	at := d.sometime(1)
	hosts(d, src, at, 9)
	d.refused(at.Add(almost), src, ours(219), 3389, "tcp")
}

func thirtyTargets(d *day, src netip.Addr) {
	at := hour(0.3 * d.dice.Float64())
	probed(d, src, at, 29, 0)
	d.refused(at.Add(24*time.Hour-time.Second), src, ours(2), 5900, "tcp")
}

func elevenFailures(d *day, src netip.Addr) {
	at := d.sometime(1)
	failures(d, src, at, 10)
	failures(d, src, at.Add(almost), 1)
}
