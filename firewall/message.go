package firewall

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/xmlapi"
)

// Kinds of calls, as OnCall is told.
const (
	CallRead       = "registered-ip"
	CallRegister   = "register"
	CallUnregister = "unregister"
)

const (
	// maxTagTimeout is the longest timeout that PAN-OS takes: 2,592,000 seconds (PAN-OS documentation, "Automating
	// IP Blocking").
	maxTagTimeout = 30 * 24 * time.Hour
	// minTagTimeout keeps an entry that is about to run out from being gone before the firewall has it.
	minTagTimeout = 60 * time.Second
)

// uidMessage builds one User-ID message that registers changes with tag, or with register false takes it from them. An
// address carries persistent="1", so that it outlives a reboot, and the timeout in whole seconds.
func uidMessage(register bool, tag string, changes []change) string {
	escaped := xmlapi.Escape(tag)
	section := "unregister"
	if register {
		section = "register"
	}
	var b strings.Builder
	b.Grow(160 + len(changes)*(110+len(escaped)))
	b.WriteString("<uid-message><version>1.0</version><type>update</type><payload><" + section + ">")
	for _, c := range changes {
		b.WriteString(`<entry ip="`)
		b.WriteString(FormatAddress(c.Prefix))
		if register {
			b.WriteString(`" persistent="1"><tag><member timeout="`)
			b.WriteString(strconv.FormatInt(seconds(c.Timeout), 10))
			b.WriteString(`">`)
		} else {
			b.WriteString(`"><tag><member>`)
		}
		b.WriteString(escaped)
		b.WriteString("</member></tag></entry>")
	}
	b.WriteString("</" + section + "></payload></uid-message>")
	return b.String()
}

// seconds rounds up, so that the firewall does not let go before the wanted time.
func seconds(d time.Duration) int64 {
	return int64((min(max(d, minTagTimeout), maxTagTimeout) + time.Second - 1) / time.Second)
}

// named is one address that an answer has something to say about.
type named struct {
	prefix netip.Prefix
	text   string
}

// parseEntries reads what a User-ID answer says about single addresses. PAN-OS puts a failure into
// response/msg/line/uid-response and a success into response/result/uid-response; both hold payload/register or
// unregister/entry with ip and message. Entries without a message in a success are echoes and left out, as is what
// names no address.
func parseEntries(body []byte) (all []named, ok bool, err error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	inside := false
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return all, ok, nil
		}
		if err != nil {
			return nil, false, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			switch {
			case t.Name.Local == "response" && !inside:
				ok = slices.ContainsFunc(t.Attr, func(a xml.Attr) bool { return a.Name.Local == "status" && a.Value == "success" })
			case t.Name.Local == "uid-response":
				inside = true
			case t.Name.Local == "entry" && inside:
				n, found := parseEntry(t.Attr)
				if found && (n.text != "" || !ok) {
					all = append(all, n)
				}
			}
		case xml.EndElement:
			if t.Name.Local == "uid-response" {
				inside = false
			}
		}
	}
}

func parseEntry(attrs []xml.Attr) (n named, found bool) {
	for _, a := range attrs {
		switch a.Name.Local {
		case "ip":
			n.prefix, found = ParseAddress(a.Value)
		case "message":
			n.text = strings.TrimSpace(a.Value)
		}
	}
	return n, found
}

// harmless tells whether text says that what was asked for is so already.
func harmless(register bool, text string) bool {
	text = strings.ToLower(text)
	if register {
		return strings.Contains(text, "already exists")
	}
	return strings.Contains(text, "does not exist")
}

// send gives the firewall one message and returns what it says about single addresses; clean if that is nothing,
// and it reports success.
func (f *Tags) send(ctx context.Context, register bool, changes []change) (entries []named, clean bool, err error) {
	kind := CallUnregister
	if register {
		kind = CallRegister
	}
	op := kind + " " + count(len(changes), "address", "addresses")
	cmd := uidMessage(register, f.opts.Tag, changes)
	body, err := f.device.UserID(ctx, kind, op, cmd)
	if err != nil {
		return nil, false, err
	}
	entries, ok, err := parseEntries(body)
	if err != nil {
		return nil, false, f.device.Fail(op, &xmlapi.Error{Kind: xmlapi.KindMalformed, Text: err.Error(), Err: err})
	}
	for i := range entries {
		entries[i].text = f.device.Tidy(entries[i].text)
	}
	return entries, ok && len(entries) == 0, nil
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
