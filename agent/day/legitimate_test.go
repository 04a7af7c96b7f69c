package day

import (
	"net/netip"
	"time"
)

const (
	ownScanner = "our own scanner (detect.ignore)"
	allowedOne = "allowed scanner (never_block)"
	proxyKind  = "a content network in front of us (networks.proxies)"
)

// legitimateKinds do what they should: nothing may come of them.
func legitimateKinds() []kind {
	return []kind{
		{name: "mail servers that ours delivers to", sources: 400, act: mailPeer},
		{name: "FTP servers with passive transfers", sources: 20, act: ftpServer},
		{name: "search engine's crawlers", sources: 40, act: crawler},
		{name: "partner's office with eleven services", sources: 20, act: partnerOffice},
		{name: "resolvers that answer late", sources: 12, act: resolver},
		{name: "content networks that answer after the end", sources: 40, act: contentNetwork},
		{name: "time servers", sources: 20, act: timeServer},
		{name: "visitors of the web farm", sources: 2500, act: visitor},
		{name: "monitoring services that ping every host", sources: 4, act: monitor},
		{name: proxyKind, sources: 10, act: proxy},
		{name: "clients behind the content network", sources: 300, act: nobody},
		{name: "VPN users who mistype", sources: 200, act: mistyping},
		{name: "machines with expired cookies", sources: 60, act: expiredCookie},
		{name: "users while the authentication server is away", sources: 80, act: outage},
		{name: "telephony providers", sources: 10, act: telephony},
		{name: "peers of file sharing", sources: 200, act: filePeer},
		{name: "visitors whose records came in a burst", sources: 60, act: buffered},
		{name: "visitors across the hour that is passed twice", sources: 60, act: twice},
		{name: "IPv6 visitors that share a /64", sources: 30, v6: true, act: sharedNetwork},
		{name: ownScanner, sources: 2, act: scannerOfOurs},
		{name: allowedOne, sources: 2, act: scannerOfOurs},
		{name: "bad servers that attack our clients", sources: 40, act: badServer},
		{name: "servers that command infected hosts of ours", sources: 40, act: commandServer},
		{name: "offices that share one address", sources: 20, act: sharedOffice},
		{name: "senders that try one closed port again and again", sources: 40, act: retrying},
		{name: "bystanders in forged headers", sources: 40, act: nobody},
	}
}

// nobody is spoken of by others alone.
func nobody(*day, netip.Addr) {}

func mailPeer(d *day, src netip.Addr) {
	at := hour(8 + d.dice.Float64()/3) // all within twenty minutes
	for range 1 + d.dice.IntN(3) {
		d.called(at, inside(25), src, 25, "tcp", "smtp", d.dice.IntN(8) > 0)
		e := &d.entries[len(d.entries)-1]
		e.src, e.natSrc, e.natSPort, e.from = ours(25), netip.Addr{}, 0, "dmz"                              // it has an address of its own
		d.stray(at.Add(time.Duration(5+d.dice.IntN(300))*time.Second), src, 25, ours(25), e.srcPort, "tcp") // a late reset
		at = at.Add(time.Minute)
	}
	for range d.dice.IntN(3) {
		d.served(d.sometime(1), src, ours(25), 25, "smtp")
	}
}

func ftpServer(d *day, src netip.Addr) {
	at := d.sometime(1)
	control := d.called(at.Add(8*time.Minute), inside(40), src, 21, "tcp", "ftp", true)
	for i := range 25 {
		data := 20000 + d.dice.IntN(30000)
		began := at.Add(time.Duration(i*15) * time.Second)
		port := d.called(began, inside(40), src, data, "tcp", "ftp", true)
		d.stray(began.Add(4*time.Second), src, data, natPool, port, "tcp")
	}
	d.stray(at.Add(10*time.Minute), src, 21, natPool, control, "tcp")
}

func crawler(d *day, src netip.Addr) {
	for range 6 {
		at := d.sometime(1)
		for i := range webCount {
			d.served(at.Add(time.Duration(i*7)*time.Second), src, web(i), 443, "web-browsing")
		}
	}
}

func partnerOffice(d *day, src netip.Addr) {
	for range 4 {
		at := d.sometime(1)
		for i, port := range []int{22, 25, 80, 110, 143, 443, 587, 993, 995, 3389, 8443, 1433, 5432} {
			d.served(at.Add(time.Duration(i*20)*time.Second), src, ours(60), port, "ssl")
		}
	}
}

// resolver answers after our queries have timed out, to as many ports as there were queries. The site's key=value lines do not say how
// those were translated.
func resolver(d *day, src netip.Addr) {
	for range 5 {
		at := d.sometime(1)
		var ports []int
		for i := range 20 {
			ports = append(ports, d.called(at.Add(time.Duration(i)*time.Second), inside(53), src, 53, "udp", "dns", i%2 == 0))
			d.entries[len(d.entries)-1].untranslated = true
		}
		for i, port := range ports {
			d.stray(at.Add(30*time.Second+time.Duration(i*9)*time.Second), src, 53, natPool, port, "udp")
		}
	}
}

func contentNetwork(d *day, src netip.Addr) {
	for range 6 {
		at := d.sometime(1)
		for i := range 12 {
			protocol, app := "tcp", "ssl"
			if i%3 == 0 {
				protocol, app = "udp", "quic"
			}
			port := d.called(at.Add(time.Duration(i)*time.Second), inside(100+d.dice.IntN(400)), src, 443, protocol, app, true)
			for range 1 + d.dice.IntN(3) {
				d.stray(at.Add(time.Duration(30+d.dice.IntN(500))*time.Second), src, 443, natPool, port, protocol)
			}
		}
	}
}

func timeServer(d *day, src netip.Addr) {
	at := d.sometime(2)
	for i := range 20 {
		port := d.called(at.Add(time.Duration(i)*5*time.Second), inside(500+i), src, 123, "udp", "ntp", i%4 > 0)
		d.stray(at.Add(2*time.Minute+time.Duration(i)*5*time.Second), src, 123, natPool, port, "udp")
	}
}

func visitor(d *day, src netip.Addr) {
	at := d.sometime(1)
	for range 1 + d.dice.IntN(5) {
		at = at.Add(time.Duration(d.dice.IntN(200)) * time.Second)
		d.served(at, src, web(d.dice.IntN(6)), []int{80, 443}[d.dice.IntN(2)], "web-browsing")
	}
	// A browser asks for more than there is.
	for _, port := range []int{443, 8080, 8443, 853, 5228}[:d.dice.IntN(6)] {
		protocol := "tcp"
		if port == 443 {
			protocol = "udp"
		}
		d.refused(at.Add(time.Duration(d.dice.IntN(300))*time.Second), src, web(d.dice.IntN(6)), port, protocol)
	}
}

func monitor(d *day, src netip.Addr) {
	for round := range 24 {
		at := hour(float64(round) + 0.2*d.dice.Float64())
		for i := range webCount + 4 {
			e := d.served(at.Add(time.Duration(i*2)*time.Second), src, web(i), 0, "ping")
			if i >= webCount { // two hosts are down
				e.dst, e.natDst, e.got, e.packetsGot = ours(40+i%2), netip.Addr{}, 0, 0
			}
		}
	}
}

// proxy is in front of us: its clients are served, and refused now and then; and it looks at ports by itself.
func proxy(d *day, src netip.Addr) {
	own := d.kind
	d.kind = &kind{name: "clients behind the content network", sort: legitimate}
	for range 40 {
		client, at := d.newcomer(), d.sometime(1)
		d.served(at, src, web(d.dice.IntN(webCount)), 443, "web-browsing").client = client
		if d.dice.IntN(3) == 0 {
			d.refused(at.Add(time.Second), src, web(d.dice.IntN(webCount)), 443, "tcp").client = client
		}
	}
	d.kind = own
	at := d.sometime(1)
	for i := range 30 {
		d.refused(at.Add(time.Duration(i*3)*time.Second), src, web(0), 8000+i, "tcp")
	}
}

// telephony sends sound to ports that ours opened, and goes on when the call is over.
func telephony(d *day, src netip.Addr) {
	for range 8 {
		at := d.sometime(1)
		for i := range 14 {
			media := 10000 + 2*i
			port := d.called(at.Add(time.Duration(i*10)*time.Second), inside(700+i), src, media, "udp", "rtp", true)
			d.stray(at.Add(time.Duration(i*10+20)*time.Second), src, media, natPool, port, "udp")
		}
		port := d.called(at, inside(701), src, 3478, "udp", "stun", true)
		d.stray(at.Add(time.Minute), src, 3478, natPool, port, "udp")
	}
}

func filePeer(d *day, src netip.Addr) {
	at, listens := d.sometime(1), d.ephemeral()
	for range 3 {
		port := d.called(at, inside(900), src, listens, "udp", "bittorrent", d.dice.IntN(3) == 0)
		for range 5 {
			d.stray(at.Add(time.Duration(d.dice.IntN(550))*time.Second), src, listens, natPool, port, "udp")
		}
	}
	for range 2 { // it was told of us by others
		d.refused(at.Add(time.Duration(d.dice.IntN(1200))*time.Second), src, natPool, 6881+d.dice.IntN(3), "udp")
	}
}

// buffered has a refused record an hour, which a firewall that was cut off from its collector sent all at once.
func buffered(d *day, src netip.Addr) {
	burst := hour(21)
	for i := range 14 {
		e := d.refused(hour(float64(5+i)+d.dice.Float64()/2), src, web(0), 7000+i, "tcp")
		e.firewall, e.received = 1, burst
	}
}

// twice is refused six times in summer time and six times in winter time, an hour apart at the same local times.
func twice(d *day, src netip.Addr) {
	for i := range 12 {
		d.refused(hour(2.2+float64(i/6)+0.1*d.dice.Float64()), src, web(1), 9000+i, "tcp")
	}
}

func sharedNetwork(d *day, network netip.Addr) {
	at := d.sometime(1)
	for i := range 60 {
		src := host(network, 1+i*7)
		d.served(at.Add(time.Duration(i*5)*time.Second), src, web6(i), 443, "ssl")
		if i%2 == 0 {
			d.refused(at.Add(time.Duration(i*5)*time.Second), src, web6(i%8), 443, "udp") // QUIC
		}
	}
}

func scannerOfOurs(d *day, src netip.Addr) {
	at := d.sometime(2)
	for i := range 400 {
		d.refused(at.Add(time.Duration(i)*time.Second), src, web(i%webCount), 1+i, "tcp")
	}
	d.threatened(at, src, web(0), 443, "Apache Log4j Remote Code Execution Vulnerability(91991)", "critical", "client-to-server")
}

func badServer(d *day, src netip.Addr) {
	at := d.sometime(1)
	for range 4 {
		d.called(at, inside(1000+d.dice.IntN(200)), src, 80, "tcp", "web-browsing", true)
		for _, severity := range []string{"critical", "high"} {
			e := d.threatened(at, src, inside(1000+d.dice.IntN(200)), 0, "Exploit Kit Landing Page(38000)", severity, "server-to-client")
			e.srcPort, e.dstPort, e.to = 80, d.ephemeral(), "trust"
		}
		e := d.threatened(at, src, inside(1000+d.dice.IntN(200)), 0, "Virus/Win32.generic(2810001)", "medium", "server-to-client")
		e.subtype, e.srcPort, e.dstPort = "virus", 80, d.ephemeral()
	}
}

func commandServer(d *day, src netip.Addr) {
	at := d.sometime(1)
	for range 15 {
		e := d.threatened(at.Add(time.Duration(d.dice.IntN(500))*time.Second), inside(1200), src, 80, "Command and Control Traffic(13600)", "critical", "client-to-server")
		e.subtype, e.from, e.to, e.category = "spyware", "trust", "untrust", "spyware"
	}
}

// sharedOffice is many people behind one address, some of whom meet what is closed: eight different targets in a day.
func sharedOffice(d *day, src netip.Addr) {
	for range 60 {
		d.served(d.sometime(1), src, web(d.dice.IntN(webCount)), 443, "ssl")
	}
	for range 40 {
		d.refused(d.sometime(1), src, web(d.dice.IntN(4)), []int{8080, 8443}[d.dice.IntN(2)], "tcp")
	}
	mistyping(d, src)
}

func retrying(d *day, src netip.Addr) {
	at := d.sometime(3)
	for i := range 60 {
		d.refused(at.Add(time.Duration(i*2)*time.Minute), src, ours(26), 25, "tcp")
	}
}
