package userid

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
)

// MaxTimeout is the longest timeout of a tag: 30 days ("from 0 to 30 days" in the vendor's knowledge base).
const MaxTimeout = 30 * 24 * time.Hour

// MaxTags is how many tags an address can have ("Use Dynamic Address Groups in Policy").
const MaxTags = 32

// message is a uid-message as far as it is simulated.
type message struct {
	XMLName xml.Name `xml:"uid-message"`
	Type    struct {
		Text    string   `xml:",chardata"`
		Payload *payload `xml:"payload"` // where pan-python's live tests put it
	} `xml:"type"`
	Payload *payload `xml:"payload"`
}

type payload struct {
	Register   sections[entry]     `xml:"register"`
	Unregister sections[entry]     `xml:"unregister"`
	Login      sections[login]     `xml:"login"`
	Logout     sections[login]     `xml:"logout"`
	Groups     sections[userGroup] `xml:"groups"`
	// Accepted and forgotten.
	RegisterUser   []struct{} `xml:"register-user"`
	UnregisterUser []struct{} `xml:"unregister-user"`
	Unknown        []struct{} `xml:",any"`
}

// section is an element of the payload with its entries; there may be several of one kind.
type section[T any] struct {
	Entries []T `xml:"entry"`
}

type sections[T any] []section[T]

func (s sections[T]) entries() (all []T) {
	for _, one := range s {
		all = append(all, one.Entries...)
	}
	return all
}

// entry is an address with the tags that it shall get or lose.
type entry struct {
	IP         *string  `xml:"ip,attr"`
	Persistent string   `xml:"persistent,attr"`
	Tags       []member `xml:"tag>member"`
}

// member is one tag.
type member struct {
	Name    string  `xml:",chardata"`
	Timeout *string `xml:"timeout,attr"`
}

// errMalformed stands for everything that makes the firewall refuse a message as a whole.
var errMalformed = errors.New("uid-message: payload is malformed")

// ParseMessage reads a message and refuses what cannot be one.
func ParseMessage(text string) (*message, error) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	m := &message{}
	if decoder.Decode(m) != nil {
		return nil, errMalformed
	}
	if m.Payload == nil {
		m.Payload = m.Type.Payload
	}
	if m.Payload == nil || strings.TrimSpace(m.Type.Text) != "update" || len(m.Payload.Unknown) > 0 {
		return nil, errMalformed
	}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if _, second := token.(xml.StartElement); err != nil || second {
			return nil, errMalformed
		}
	}
}

// steps lists the entries of both halves in the order in which they are carried out.
func (m *message) steps(order dialect.Order) []step {
	var steps []step
	add := func(s sections[entry], register bool) {
		for _, e := range s.entries() {
			steps = append(steps, step{entry: e, register: register})
		}
	}
	if order == dialect.UnregisterFirst {
		add(m.Payload.Unregister, false)
	}
	add(m.Payload.Register, true)
	if order == dialect.RegisterFirst {
		add(m.Payload.Unregister, false)
	}
	return steps
}

// CarryOut judges the whole message for a virtual system, "" being the first, applies what is to be applied and words the
// answer. entries is how many there are in the message.
func (g *Registry) CarryOut(vsys string, m *message) (a answer.Answer, entries int, changes []Change) {
	steps := m.steps(g.o.Dialect.Order)
	t, ok := g.table(vsys)
	if !ok {
		return answer.InvalidVSys(vsys), len(steps), nil
	}
	changes = g.Expire()
	j := g.newJudge(t)
	rejected, err := j.judge(steps)
	if err != nil {
		return answer.Failure(0, err.Error()), len(steps), changes
	}
	if j.full {
		g.o.Log("critical", "userid", "max registered-ip for the platform reached ("+strconv.Itoa(g.o.MaxRegistered)+")")
	}
	now := g.o.Now()
	var logins, logouts string
	if !rejected {
		logins, logouts = g.users[g.Name(vsys)].follow(m.Payload, now)
		for i := range steps {
			changes = append(changes, g.apply(g.Name(vsys), t, &steps[i], now)...)
		}
	}
	return uidAnswer(m, steps, logins, logouts), len(steps), changes
}

// uidAnswer words the answer in the shape that clients recorded: an error carries no code and lists only the
// entries about which there is something to say.
func uidAnswer(m *message, steps []step, logins, logouts string) answer.Answer {
	var registered, unregistered strings.Builder
	failed := logins+logouts != ""
	for _, st := range steps {
		for _, text := range st.messages {
			failed = true
			b := &unregistered
			if st.register {
				b = &registered
			}
			b.WriteString(`<entry ip="` + answer.Escape(st.ip()) + `" message="` + answer.Escape(text) + `"/>`)
		}
	}
	var payload strings.Builder
	if len(m.Payload.Unregister) > 0 {
		payload.WriteString("<unregister>" + unregistered.String() + "</unregister>")
	}
	if len(m.Payload.Register) > 0 {
		payload.WriteString("<register>" + registered.String() + "</register>")
	}
	if len(m.Payload.Login) > 0 {
		payload.WriteString("<login>" + logins + "</login>")
	}
	if len(m.Payload.Logout) > 0 {
		payload.WriteString("<logout>" + logouts + "</logout>")
	}
	body := "<uid-response><version>2.0</version><payload>" + payload.String() + "</payload></uid-response>"
	if failed {
		return answer.XML(200, `<response status="error"><msg><line>`+body+`</line></msg></response>`)
	}
	return answer.Success("<result>" + body + "</result>")
}
