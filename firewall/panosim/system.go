package panosim

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// systemInfo answers "show system info", with the elements and the order of a recorded answer.
func systemInfo(s *Sim, _ answer.Request) answer.Answer {
	s.mu.Lock()
	booted := s.booted
	s.mu.Unlock()
	now := s.opts.Now()
	family := "vm"
	if s.opts.Model != "PA-VM" {
		family, _, _ = strings.Cut(strings.ToLower(strings.TrimPrefix(s.opts.Model, "PA-")), "-")
	}
	var b strings.Builder
	b.WriteString("<result><system>")
	answer.WriteFields(&b, []answer.Field{
		{Name: "hostname", Value: s.opts.Hostname}, {Name: "ip-address", Value: "127.0.0.1"}, {Name: "public-ip-address", Value: "unknown"},
		{Name: "netmask", Value: "255.255.255.0"}, {Name: "default-gateway", Value: "192.0.2.254"}, {Name: "is-dhcp", Value: "no"},
		{Name: "ipv6-address", Value: "unknown"}, {Name: "ipv6-link-local-address", Value: "unknown"},
		{Name: "mac-address", Value: "00:00:5e:00:53:01"}, {Name: "time", Value: now.Format("Mon Jan _2 15:04:05 2006") + "\n"},
		{Name: "uptime", Value: uptime(now.Sub(booted))}, {Name: "devicename", Value: s.opts.Hostname}, {Name: "family", Value: family},
		{Name: "model", Value: s.opts.Model}, {Name: "serial", Value: s.opts.Serial}, {Name: "sw-version", Value: s.opts.Version},
		{Name: "global-protect-client-package-version", Value: "0.0.0"}, {Name: "app-version", Value: "8700-8709"},
		{Name: "threat-version", Value: cmp.Or(s.opts.Threats, "8700-8709")}, {Name: "url-filtering-version", Value: "0000.00.00.000"},
		{Name: "logdb-version", Value: fmt.Sprintf("%d.%d.0", s.version.Major, s.version.Minor)},
		{Name: "vpn-disable-mode", Value: "off"}, {Name: "multi-vsys", Value: multiVSys(s.opts)}, {Name: "operational-mode", Value: "normal"},
		{Name: "device-certificate-status", Value: "None"},
	})
	b.WriteString("</system></result>")
	return answer.Success(b.String())
}

// version answers type=version, which needs no right.
func version(s *Sim, _ *call) answer.Answer {
	var b strings.Builder
	answer.WriteFields(&b, []answer.Field{
		{Name: "sw-version", Value: s.opts.Version}, {Name: "multi-vsys", Value: multiVSys(s.opts)}, {Name: "model", Value: s.opts.Model}, {Name: "serial", Value: s.opts.Serial},
	})
	return answer.Success("<result>" + b.String() + "</result>")
}

// multiVSys is on or off.
func multiVSys(o Options) string {
	if len(o.VSys) > 1 {
		return "on"
	}
	return "off"
}

// systemState answers "show system state" with the one filter that is simulated.
func systemState(s *Sim, r answer.Request) answer.Answer {
	if s.dialect.Limits != dialect.LimitsTold || r.At.Value("filter") != "cfg.general.max*" {
		return answer.Unexpected(r.Command)
	}
	return answer.Success(fmt.Sprintf("<result><![CDATA[cfg.general.max-address: 0x2710\ncfg.general.max-registered-ip-address: %#x\n]]></result>", s.opts.MaxRegistered))
}

// uptime is written as the firewall does: "0 days, 1:02:03".
func uptime(d time.Duration) string {
	seconds := int(max(d, 0) / time.Second)
	return fmt.Sprintf("%d days, %d:%02d:%02d", seconds/86400, seconds/3600%24, seconds/60%60, seconds%60)
}

// plugins answers "show plugins packages" (PAN-OS 9.0 and later), which pango asks when it connects.
func plugins(s *Sim, r answer.Request) answer.Answer {
	if !s.version.AtLeast(9, 0) {
		return answer.Unexpected(r.Command)
	}
	return answer.Success(`<result><plugins><entry><name>vm_series</name><version>2.1.1</version>` +
		`<release-date>2023/01/01 00:00:00</release-date><release-note-url><![CDATA[]]></release-note-url>` +
		`<pkg-file>vm_series-2.1.1</pkg-file><size>1M</size><platform>any</platform>` +
		`<installed>yes</installed><downloaded>yes</downloaded></entry></plugins></result>`)
}

// passwordHash answers "request password-hash password", in the element that pan-os-python reads.
func passwordHash(_ *Sim, r answer.Request) answer.Answer {
	return answer.Success("<result><phash>" + hashOf(r.At.Text) + "</phash></result>")
}

// hashOf is the hash of a password, of the length of real ones; it protects nothing.
func hashOf(password string) string {
	sum := sha256.Sum256([]byte(password))
	return "$5$simulated$" + base64.RawStdEncoding.EncodeToString(sum[:])
}
