package firewall

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// localhost is where a firewall keeps the configuration of its virtual systems.
const localhost = "/config/devices/entry[@name='localhost.localdomain']"

// vsysPath is the xpath of a virtual system.
func vsysPath(vsys string) string { return localhost + "/vsys/entry" + byName(vsys) }

// byName writes the predicate that chooses an entry by name. PAN-OS has no way to escape a quote in a name that holds
// both kinds; checkObject keeps such names from getting here.
func byName(name string) string {
	if strings.Contains(name, "'") {
		return `[@name="` + name + `"]`
	}
	return `[@name='` + name + `']`
}

// op makes an operational call and gives the element below response: result, or msg.
func (d *Device) op(ctx context.Context, kind, what, cmd string) (*node, error) {
	return d.opIn(ctx, kind, what, cmd, d.opts.VSys)
}

// opIn is op in another virtual system; "": the call names none.
func (d *Device) opIn(ctx context.Context, kind, what, cmd, vsys string) (*node, error) {
	body, err := d.call(ctx, kind, what, func() ([]byte, error) { return d.api.Op(cmd, vsys, nil, nil) })
	if err != nil {
		return nil, err
	}
	return d.answer(what, body)
}

// answer gives what stands below response; an empty element if nothing does.
func (d *Device) answer(what string, body []byte) (*node, error) {
	root, err := parseTree(body)
	if err != nil {
		return nil, d.fail(what, &Error{Kind: KindMalformed, Text: err.Error(), Err: err})
	}
	if result := root.child("result"); result != nil {
		return result, nil
	}
	return root, nil
}

// show reads what is at an xpath of the running configuration; nil: there is nothing.
func (d *Device) show(ctx context.Context, what, xpath string) (*node, error) {
	return d.config(ctx, what, url.Values{"action": {"show"}, "xpath": {xpath}})
}

// get reads what is at an xpath of the candidate configuration, edits of all administrators included; nil: there is
// nothing.
func (d *Device) get(ctx context.Context, what, xpath string) (*node, error) {
	return d.config(ctx, what, url.Values{"action": {"get"}, "xpath": {xpath}})
}

// config reads one element. "Not there" is said in two ways: get answers success with code 7, show an error "No such
// node".
func (d *Device) config(ctx context.Context, what string, form url.Values) (*node, error) {
	form.Set("type", "config")
	body, err := d.call(ctx, CallConfig, what, func() ([]byte, error) {
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	})
	var e *Error
	if errors.As(err, &e) && e.Kind == KindAPI && (e.Code == 7 || strings.Contains(strings.ToLower(e.Text), "no such node")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	result, err := d.answer(what, body)
	if err != nil || len(result.children) == 0 || result.name != "result" {
		return nil, err
	}
	if len(result.children) > 1 {
		return nil, d.fail(what, &Error{Kind: KindMalformed, Text: fmt.Sprintf("%d elements where one was asked for", len(result.children))})
	}
	return result.children[0], nil
}

// escape makes text fit for an element or a quoted attribute.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder does not fail
	return b.String()
}
