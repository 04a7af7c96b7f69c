package day

import (
	"fmt"
	"net/netip"
	"time"
)

const wrongPassword = "Authentication failed: Invalid username or password"

func user(d *day) string { return fmt.Sprintf("staff%03d", d.dice.IntN(900)) }

// mistyping fails at the portal and at the gateway, five times over, and the SYSTEM log tells of each once more.
func mistyping(d *day, src netip.Addr) {
	at, who := d.sometime(1), user(d)
	for range d.dice.IntN(6) {
		for _, event := range []string{"portal-auth", "gateway-auth"} {
			e := d.login(at, src, event, "RADIUS", who, wrongPassword, "failure")
			d.told(at.Add(time.Second), src, who, "Invalid username/password").firewall = e.firewall
			at = at.Add(7 * time.Second)
		}
		at = at.Add(20 * time.Second)
	}
	d.login(at, src, "portal-auth", "RADIUS", who, "", "success")
	d.login(at.Add(2*time.Second), src, "gateway-auth", "RADIUS", who, "", "success")
	d.served(at.Add(time.Minute), src, portal, 443, "panos-global-protect")
}

func expiredCookie(d *day, src netip.Addr) {
	at := d.sometime(1)
	for i := range 20 {
		next := at.Add(time.Duration(i*15) * time.Second)
		d.login(next, src, "portal-auth", "Cookie", user(d), "Authentication failed: Cookie expired", "failure")
		d.login(next, src, "gateway-auth", "Other", "pre-logon", "Authentication failed", "failure")
		d.login(next, src, "portal-prelogin", "", "", "", "success")
		d.login(next, src, "gateway-getconfig", "", user(d), "Matching client config not found", "failure")
	}
}

func outage(d *day, src netip.Addr) {
	at, who := hour(9+d.dice.Float64()/2), user(d)
	for i := range 15 {
		next := at.Add(time.Duration(i*20) * time.Second)
		if i%2 == 0 {
			d.login(next, src, "gateway-auth", "RADIUS", who, "Authentication failed: Authentication request is timed out", "failure")
			d.told(next.Add(8*time.Second), src, who, "Authentication request is timed out")
			continue
		}
		d.told(next, src, who, "Internal error, e.g. network connection, DNS failure or remote server down")
	}
}
