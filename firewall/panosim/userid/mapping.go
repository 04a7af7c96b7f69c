package userid

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/iprange"
)

// defaultMapping is how long a user stays mapped to an address where the login says nothing ("User Identification Timeout", in
// minutes as the attribute is).
const defaultMapping = 45

// login is an entry of login or logout: a user at an address.
type login struct {
	User    string  `xml:"name,attr"`
	IP      string  `xml:"ip,attr"`
	Timeout *string `xml:"timeout,attr"` // minutes; 0: no end
}

// userGroup is an entry of groups: all members that the group has from then on.
type userGroup struct {
	Name    string `xml:"name,attr"`
	Members []struct {
		Name string `xml:"name,attr"`
	} `xml:"members>entry"`
}

// mapping is who is at an address.
type mapping struct {
	user string
	ends time.Time // zero: never
}

// users are what a virtual system knows of users: where they are, and who belongs to which group.
type users struct {
	at     map[netip.Addr]mapping
	groups map[string][]string
}

func newUsers() *users { return &users{at: map[netip.Addr]mapping{}, groups: map[string][]string{}} }

// follow carries out the half of a message that is about users, logins before logouts as documented, and gives what the answer
// lists of each: entries that were refused. The texts are those that clients recorded.
func (u *users) follow(p *payload, now time.Time) (logins, logouts string) {
	var in, out strings.Builder
	refuse := func(b *strings.Builder, l login, text string) {
		fmt.Fprintf(b, `<entry name="%s" ip="%s" message="%s"/>`, answer.Escape(l.User), answer.Escape(l.IP), text)
	}
	for _, l := range p.Login.entries() {
		address, err := iprange.ParseHost(l.IP)
		lasts, timed := defaultMapping, error(nil)
		if l.Timeout != nil {
			lasts, timed = strconv.Atoi(*l.Timeout)
		}
		switch {
		case err != nil:
			refuse(&in, l, "Invalid IP address")
		case l.User == "":
			refuse(&in, l, "Invalid user name")
		case timed != nil || lasts < 0:
			refuse(&in, l, "Invalid timeout")
		case lasts == 0:
			u.at[address] = mapping{user: l.User}
		default:
			u.at[address] = mapping{l.User, now.Add(time.Duration(lasts) * time.Minute)}
		}
	}
	for _, l := range p.Logout.entries() {
		address, err := iprange.ParseHost(l.IP)
		m, stands := u.find(address, now)
		if err != nil || !stands || l.User != "" && !strings.EqualFold(l.User, m.user) {
			refuse(&out, l, "Delete mapping failed")
			continue
		}
		delete(u.at, address)
	}
	for _, section := range p.Groups {
		for _, g := range section.Entries {
			members := make([]string, len(g.Members))
			for i, m := range g.Members {
				members[i] = m.Name
			}
			u.groups[g.Name] = members
		}
	}
	return in.String(), out.String()
}

// find gives who is at an address.
func (u *users) find(a netip.Addr, now time.Time) (mapping, bool) {
	m, stands := u.at[a]
	return m, stands && (m.ends.IsZero() || m.ends.After(now))
}

// ShowMapping answers "show user ip-user-mapping" and "ip-user-mapping-mp", of all addresses or of one, in the shape of recorded
// answers: an address with nobody is left out.
func (g *Registry) ShowMapping(r answer.Request) answer.Answer {
	u := g.users[g.Name(r.VSys)]
	if u == nil {
		return answer.InvalidVSys(r.VSys)
	}
	wanted := slices.SortedFunc(maps.Keys(u.at), netip.Addr.Compare)
	switch {
	case r.At.Child("all") != nil:
	case r.At.Value("ip") != "":
		a, err := iprange.ParseHost(r.At.Value("ip"))
		if err != nil {
			return answer.Failure(17, "show -> user -> ip-user-mapping -> ip '"+r.At.Value("ip")+"' "+err.Error())
		}
		wanted = []netip.Addr{a}
	default:
		return answer.Unexpected(r.Command)
	}
	var b strings.Builder
	now, n := g.o.Now(), 0
	for _, a := range wanted {
		m, stands := u.find(a, now)
		if !stands {
			continue
		}
		n++
		left := "Never"
		if !m.ends.IsZero() {
			left = strconv.Itoa(int(m.ends.Sub(now) / time.Second))
		}
		b.WriteString("<entry>")
		answer.WriteFields(&b, []answer.Field{
			{Name: "ip", Value: a.String()}, {Name: "vsys", Value: g.Name(r.VSys)}, {Name: "type", Value: "XMLAPI"},
			{Name: "user", Value: m.user}, {Name: "idle_timeout", Value: left}, {Name: "timeout", Value: left},
		})
		b.WriteString("</entry>")
	}
	if n > 0 && r.At.Child("all") != nil {
		fmt.Fprintf(&b, "<count>%d</count>", n)
	}
	return answer.Success("<result>" + b.String() + "</result>")
}

// ShowGroups answers "show user group list" and "show user group name X". The answers are text, as they are on the command line.
func (g *Registry) ShowGroups(r answer.Request) answer.Answer {
	u := g.users[g.Name(r.VSys)]
	if u == nil {
		return answer.InvalidVSys(r.VSys)
	}
	var lines []string
	switch name := r.At.Value("name"); {
	case r.At.Child("list") != nil:
		lines = append(slices.Sorted(maps.Keys(u.groups)), "", fmt.Sprintf("Total: %d", len(u.groups)))
	case name == "":
		return answer.Unexpected(r.Command)
	case u.groups[name] == nil:
		return answer.Failure(0, "User group '"+name+"' does not exist or does not have members")
	default:
		lines = []string{"short name:  " + name, "", "source type: xmlapi"}
		for i, member := range u.groups[name] {
			lines = append(lines, fmt.Sprintf("[%-5d] %s", i+1, member))
		}
	}
	return answer.Success("<result>" + answer.Escape(strings.Join(lines, "\n")) + "</result>")
}
