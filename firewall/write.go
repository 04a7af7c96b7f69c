package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Actions of an edit, as PAN-OS calls them.
const (
	actionSet    = "set"    // merges the element into what stands at the xpath
	actionEdit   = "edit"   // replaces what stands at the xpath; the element is the one that the xpath ends with
	actionDelete = "delete" // what is not there is no error
)

// maxEdits bounds one multi-config message.
const maxEdits = 500

// edit is one change of the candidate configuration.
type edit struct {
	action  string
	xpath   string
	element *node // nil for delete
}

// write makes edits in their order. All of a message are made or none (PAN-OS documentation of multi-config); of more
// than maxEdits, or on a version without multi-config, the first ones may stand when an error comes.
func (d *Device) write(ctx context.Context, what string, edits []edit) error {
	if len(edits) == 0 {
		return nil
	}
	if _, version := d.past(); len(edits) == 1 || !version.multiConfig() {
		for _, e := range edits {
			if err := d.writeOne(ctx, what, e); err != nil {
				return err
			}
		}
		return nil
	}
	for part := range slices.Chunk(edits, maxEdits) {
		if err := d.writeMany(ctx, what, part); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) writeOne(ctx context.Context, what string, e edit) error {
	form := url.Values{"type": {"config"}, "action": {e.action}, "xpath": {e.xpath}}
	if e.element != nil {
		form.Set("element", e.element.xml())
	}
	_, err := d.call(ctx, CallConfig, what, func() ([]byte, error) {
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	})
	if e.action == actionDelete && absent(err) {
		return nil
	}
	return err
}

// absent tells whether an error says that what was named is not there.
func absent(err error) bool {
	var e *Error
	if !errors.As(err, &e) || e.Kind != KindAPI {
		return false
	}
	text := strings.ToLower(e.Text)
	return e.Code == 7 || strings.Contains(text, "doesn't exist") || strings.Contains(text, "no such node")
}

func (d *Device) writeMany(ctx context.Context, what string, edits []edit) error {
	var b strings.Builder
	b.WriteString("<multi-configure-request>")
	for i, e := range edits {
		fmt.Fprintf(&b, `<%s id="%d" xpath="%s"`, e.action, i+1, escape(e.xpath))
		if e.element == nil {
			b.WriteString("/>")
			continue
		}
		b.WriteString(">")
		e.element.write(&b)
		b.WriteString("</" + e.action + ">")
	}
	b.WriteString("</multi-configure-request>")
	form := url.Values{"type": {"config"}, "action": {"multi-config"}, "element": {b.String()}}
	body, err := d.call(ctx, CallConfig, what, func() ([]byte, error) {
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	})
	if err != nil {
		return err
	}
	return d.judgeMany(what, body)
}

// judgeMany reads the answers inside a multi-config answer, should one of them be an error although the whole is not.
func (d *Device) judgeMany(what string, body []byte) error {
	root, err := parseTree(body)
	if err != nil {
		return d.fail(what, &Error{Kind: KindMalformed, Text: err.Error(), Err: err})
	}
	for _, r := range root.children {
		if r.name != "response" {
			continue
		}
		status, code := rootAttrs(r.attrs)
		if h := (head{Status: status, Code: code, Reason: strings.Join(r.texts(), " | ")}); !h.ok() {
			return d.fail(what, h.err())
		}
	}
	return nil
}

// Move positions, as PAN-OS calls them.
const (
	moveTop    = "top"
	moveBottom = "bottom"
)

// move puts the entry at xpath to the top or bottom of its list. Being there already is no error.
func (d *Device) move(ctx context.Context, what, xpath, where string) error {
	form := url.Values{"type": {"config"}, "action": {"move"}, "xpath": {xpath}, "where": {where}}
	_, err := d.call(ctx, CallConfig, what, func() ([]byte, error) {
		body, _, err := d.api.Communicate(form, nil)
		return body, err
	})
	var e *Error
	if errors.As(err, &e) && e.Kind == KindAPI && strings.Contains(strings.ToLower(e.Text), "already at the "+where) {
		return nil
	}
	return err
}

// multiConfig tells whether several edits can be sent as one (PAN-OS 10.1.5 and later, as pango takes it).
func (v version) multiConfig() bool {
	return v.major > 10 || v.major == 10 && (v.minor > 1 || v.minor == 1 && v.patch >= 5)
}
