package xmlapi

import "testing"

// What an edit would do is done to a copy.
func TestApplyAnEdit(t *testing.T) {
	const before = `<entry name="vsys1"><tag><entry name="a"><color>red</color></entry><entry name="b/[x]"/></tag><address-group><entry name="g"><static><member>one</member></static></entry></address-group></entry>`
	at := VSysPath("vsys1")
	leaf := func(name, value string) *Node { return NamedEntry(name, Leaf("color", value)) }
	for _, c := range []struct {
		what string
		edit Edit
		want string
	}{
		{"a new entry", Set(at+"/tag", leaf("c", "blue")), `<entry name="vsys1"><tag><entry name="a"><color>red</color></entry><entry name="b/[x]"/><entry name="c"><color>blue</color></entry></tag><address-group><entry name="g"><static><member>one</member></static></entry></address-group></entry>`},
		{"a text", Set(at+"/tag", leaf("a", "blue")), `<entry name="vsys1"><tag><entry name="a"><color>blue</color></entry><entry name="b/[x]"/></tag><address-group><entry name="g"><static><member>one</member></static></entry></address-group></entry>`},
		{"a member", Set(at+"/address-group"+EntryNamed("g"), MemberList("static", "one", "two")), `<entry name="vsys1"><tag><entry name="a"><color>red</color></entry><entry name="b/[x]"/></tag><address-group><entry name="g"><static><member>one</member><member>two</member></static></entry></address-group></entry>`},
		{"a list that is not there", Set(at+"/address", NamedEntry("x")), `<entry name="vsys1"><tag><entry name="a"><color>red</color></entry><entry name="b/[x]"/></tag><address-group><entry name="g"><static><member>one</member></static></entry></address-group><address><entry name="x"/></address></entry>`},
		{"in place", Replace(at+"/tag"+EntryNamed("a"), NamedEntry("a")), `<entry name="vsys1"><tag><entry name="a"/><entry name="b/[x]"/></tag><address-group><entry name="g"><static><member>one</member></static></entry></address-group></entry>`},
		{"away", Delete(at + "/tag" + EntryNamed("b/[x]")), `<entry name="vsys1"><tag><entry name="a"><color>red</color></entry></tag><address-group><entry name="g"><static><member>one</member></static></entry></address-group></entry>`},
		{"away, and not there", Delete(at + "/address" + EntryNamed("a")), before},
		{"elsewhere", Set(VSysPath("vsys2")+"/tag", NamedEntry("c")), before},
		{"elsewhere", Set(SharedPath+"/tag", NamedEntry("c")), before},
	} {
		root, err := Parse([]byte(before))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.edit.Apply(at, root)
		if err != nil || got.XML() != c.want {
			t.Errorf("%s: %v\n%s, want\n%s", c.what, err, got.XML(), c.want)
		}
		if root.XML() != before {
			t.Errorf("%s: what it was applied to is now %s", c.what, root.XML())
		}
	}
	if got, err := Set(SharedPath+"/tag", NamedEntry("c")).Apply(SharedPath, nil); err != nil || got.XML() != `<shared><tag><entry name="c"/></tag></shared>` {
		t.Errorf("where nothing stands: %s, %v", got.XML(), err)
	}
	if got, err := Delete(SharedPath+"/tag").Apply(SharedPath, nil); err != nil || got != nil {
		t.Errorf("away where nothing stands: %s, %v", got.XML(), err)
	}
	for _, bad := range []string{"tag", "/config//tag", "/config/entry[@id='x']", "/config/entry[@name='x"} {
		if _, err := Set(bad, NamedEntry("c")).Apply(SharedPath, nil); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestMoveAnEntry(t *testing.T) {
	root, err := Parse([]byte(`<shared><tag><entry name="a"/><entry name="b"/><entry name="c"/></tag></shared>`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ entry, where, want string }{
		{"b", MoveTop, `<shared><tag><entry name="b"/><entry name="a"/><entry name="c"/></tag></shared>`},
		{"b", MoveBottom, `<shared><tag><entry name="a"/><entry name="c"/><entry name="b"/></tag></shared>`},
		{"x", MoveTop, `<shared><tag><entry name="a"/><entry name="b"/><entry name="c"/></tag></shared>`},
	} {
		if got, err := Moved(SharedPath, root, SharedPath+"/tag"+EntryNamed(c.entry), c.where); err != nil || got.XML() != c.want {
			t.Errorf("%s to the %s: %s, %v", c.entry, c.where, got.XML(), err)
		}
	}
}

// What one administrator edited is carried over, and stands where it stands there; what others edited is not.
func TestCarryEditsOver(t *testing.T) {
	parse := func(text string) *Node {
		root, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	const running, edited = `<shared><tag><entry name="a"/><entry name="b"/><entry name="c"/></tag><old/></shared>`,
		`<shared><tag><entry name="theirs"/><entry name="x"/><entry name="c"/><entry name="y"><color>red</color></entry><entry name="a"/></tag><new/></shared>`
	tag := func(name string) string { return SharedPath + "/tag" + EntryNamed(name) }
	for _, c := range []struct {
		what    string
		targets []string
		want    string
	}{
		{"nothing", nil, running},
		{"elsewhere", []string{VSysPath("vsys1") + "/tag"}, running},
		{"new, changed, moved, taken away", []string{tag("y"), tag("x"), tag("b"), tag("y") + "/color"}, `<shared><tag><entry name="x"/><entry name="a"/><entry name="c"/><entry name="y"><color>red</color></entry></tag><old/></shared>`},
		{"moved", []string{tag("c")}, `<shared><tag><entry name="c"/><entry name="a"/><entry name="b"/></tag><old/></shared>`},
		{"no entry", []string{SharedPath + "/old", SharedPath + "/new"}, `<shared><tag><entry name="a"/><entry name="b"/><entry name="c"/></tag><new/></shared>`},
		{"the whole", []string{SharedPath}, edited},
		{"above", []string{"/config"}, edited},
		{"not read", []string{"shared"}, edited},
		{"no path", []string{""}, edited},
	} {
		into := parse(running)
		if got := Carried(SharedPath, into, parse(edited), c.targets); got.XML() != c.want || into.XML() != running {
			t.Errorf("%s: %s, want\n%s", c.what, got.XML(), c.want)
		}
	}
	if got := Carried(SharedPath, nil, parse(edited), []string{tag("x")}); got.XML() != `<shared><tag><entry name="x"/></tag></shared>` {
		t.Errorf("where nothing stands: %s", got.XML())
	}
	if got := Carried(SharedPath, parse(running), nil, []string{tag("x"), tag("a")}); got.XML() != `<shared><tag><entry name="b"/><entry name="c"/></tag><old/></shared>` {
		t.Errorf("of nothing: %s", got.XML())
	}
}
