package panosim

import (
	"fmt"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// operation is one operational command that is simulated.
type operation struct {
	path []string // names of elements from the outermost
	kind string
	run  func(*Sim, *call, *xmltree.Element) answer.Answer // gets the element at the end of path
}

// operations lists them; a later command is one more line here.
func operations() []operation {
	return append(configOperations(), []operation{
		{[]string{"show", "system", "info"}, KindSystemInfo, (*Sim).systemInfo},
		{[]string{"show", "plugins", "packages"}, KindPlugins, (*Sim).plugins},
		{[]string{"show", "object", "registered-ip"}, KindRegisteredIP, (*Sim).registeredIP},
		{[]string{"show", "object", "registered-address"}, KindRegisteredIP, (*Sim).registeredAddress},
		{[]string{"show", "object", "dynamic-address-group"}, KindGroups, (*Sim).showGroups},
		{[]string{"request", "system", "external-list", "refresh"}, KindListRefresh, (*Sim).refreshList},
		{[]string{"request", "system", "external-list", "show"}, KindListShow, (*Sim).showList},
		{[]string{"set", "system", "setting", "target-vsys"}, KindTargetVSys, (*Sim).setTarget},
		{[]string{"show", "session", "all"}, KindSessions, (*Sim).showSessions},
		{[]string{"show", "session", "id"}, KindSessions, (*Sim).showSession},
		{[]string{"clear", "session", "all"}, KindClearSessions, (*Sim).clearSessions},
		{[]string{"clear", "session", "id"}, KindClearSessions, (*Sim).clearSession},
		{[]string{"show", "config", "pushed-shared-policy"}, KindPushed, (*Sim).showPushed},
		{[]string{"show", "devices"}, KindDevices, (*Sim).showDevices},
		{[]string{"show", "high-availability", "state"}, KindHA, (*Sim).showHA},
		{[]string{"request", "high-availability", "state", "suspend"}, KindHA, (*Sim).suspendHA},
		{[]string{"request", "high-availability", "state", "functional"}, KindHA, (*Sim).resumeHA},
		{[]string{"request", "high-availability", "sync-to-remote", "running-config"}, KindHA, (*Sim).syncHA},
	}...)
}

// classifyOp finds the operation that an op call asks for.
func (c *call) classifyOp() {
	text := c.form.Get("cmd")
	if text == "" {
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Missing value for parameter "cmd".`) }
		return
	}
	command, err := xmltree.Parse(text)
	if err != nil {
		c.run = func(*Sim, *call) answer.Answer { return answer.Failure(18, "Malformed command") }
		return
	}
	c.command = command
	for _, op := range operations() {
		if at := command.At(op.path); at != nil {
			c.kind = op.kind
			c.run = func(s *Sim, c *call) answer.Answer { return op.run(s, c, at) }
			return
		}
	}
	c.run = func(*Sim, *call) answer.Answer { return answer.Unexpected(command) }
}

// systemInfo answers "show system info", with the elements and the order of a recorded answer.
func (s *Sim) systemInfo(*call, *xmltree.Element) answer.Answer {
	s.mu.Lock()
	booted, multi := s.booted, len(s.tables) > 1
	s.mu.Unlock()
	now := s.opts.Now()
	family := "vm"
	if s.opts.Model != "PA-VM" {
		family, _, _ = strings.Cut(strings.ToLower(strings.TrimPrefix(s.opts.Model, "PA-")), "-")
	}
	onOff := "off"
	if multi {
		onOff = "on"
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
		{Name: "threat-version", Value: "8700-8709"}, {Name: "url-filtering-version", Value: "0000.00.00.000"},
		{Name: "logdb-version", Value: fmt.Sprintf("%d.%d.0", s.version.Major, s.version.Minor)},
		{Name: "vpn-disable-mode", Value: "off"}, {Name: "multi-vsys", Value: onOff}, {Name: "operational-mode", Value: "normal"},
		{Name: "device-certificate-status", Value: "None"},
	})
	b.WriteString("</system></result>")
	return answer.Success(b.String())
}

// uptime is written as the firewall does: "0 days, 1:02:03".
func uptime(d time.Duration) string {
	seconds := int(max(d, 0) / time.Second)
	return fmt.Sprintf("%d days, %d:%02d:%02d", seconds/86400, seconds/3600%24, seconds/60%60, seconds%60)
}

// plugins answers "show plugins packages" (PAN-OS 9.0 and later), which pango asks when it connects.
func (s *Sim) plugins(c *call, _ *xmltree.Element) answer.Answer {
	if !s.version.AtLeast(9, 0) {
		return answer.Unexpected(c.command)
	}
	return answer.Success(`<result><plugins><entry><name>vm_series</name><version>2.1.1</version>` +
		`<release-date>2023/01/01 00:00:00</release-date><release-note-url><![CDATA[]]></release-note-url>` +
		`<pkg-file>vm_series-2.1.1</pkg-file><size>1M</size><platform>any</platform>` +
		`<installed>yes</installed><downloaded>yes</downloaded></entry></plugins></result>`)
}
