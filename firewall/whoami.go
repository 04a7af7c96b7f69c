package firewall

import (
	"context"
	"strconv"
	"strings"
)

// whoAmI finds out as whom an API key acts, which PAN-OS tells nobody: it makes an edit, looks who is named beside it, and
// takes it back. What stands beside other edits, also of our objects, may be somebody else's, whose work would be published
// under our name.
func (d *Device) whoAmI(ctx context.Context, n Names) (string, error) {
	const what = "find out our administrator's name"
	list, name := vsysPath(d.opts.VSys)+"/tag", n.Group+"-admin"
	at := list + "/entry" + byName(name)
	// A left-over of the same content could be no edit at all.
	comment := "asks who we are, " + strconv.FormatInt(d.opts.Now().UnixNano(), 10)
	if err := d.write(ctx, what, []edit{{actionSet, list, entryOf(name, leaf("comments", comment))}}); err != nil {
		return "", err
	}
	admin, err := d.editorOf(ctx, at)
	if e := d.write(ctx, what, []edit{{actionDelete, at, nil}}); err == nil {
		err = e
	}
	if err != nil {
		return "", err
	}
	if admin == "" {
		return "", d.fail(what, &Error{Kind: KindUnsupported,
			Text: "the firewall does not say who makes our edits; name the administrator whose key is used in commit_admin"})
	}
	return admin, nil
}

// editorOf gives the administrator whose edits at or below an xpath are not committed; "": there are none.
func (d *Device) editorOf(ctx context.Context, xpath string) (string, error) {
	const what = "ask who edited it"
	at, err := d.get(ctx, what, xpath)
	if err != nil {
		return "", err
	}
	if name := editor(at); name != "" {
		return name, nil
	}
	changes, err := d.opIn(ctx, CallConfig, what, "<show><config><list><changes></changes></list></config></show>", "")
	if err != nil {
		return "", err
	}
	for _, e := range changes.child("journal").entries() {
		if strings.HasPrefix(e.value("xpath"), xpath) {
			return e.value("owner"), nil
		}
	}
	return "", nil
}

// editor gives the administrator who is named beside the edits in n, the deepest one first; "" if none is named.
func editor(n *node) string {
	if n == nil {
		return ""
	}
	for _, c := range n.children {
		if name := editor(c); name != "" {
			return name
		}
	}
	return strings.TrimSpace(n.attr("admin"))
}
