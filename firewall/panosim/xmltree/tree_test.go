package xmltree

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is edited: a state that was taken never changes, and the tree is what a list of names would be.
func TestTreeAgainstAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := path(t, "/config/list")
		root, _ := ParseConfig("<config><list/><beside><entry name=\"x\"/></beside></config>")
		tree := NewTree(root)
		var names []string
		var states []*Element
		var texts []string
		own := func() *Element { return tree.Own(list.Find(tree.Root)[0]).Last() }
		entry := func(name string) Key { return Key{"entry", name} }
		name := rapid.Custom(func(t *rapid.T) string { return fmt.Sprint("n", rapid.IntRange(0, 60).Draw(t, "number")) })
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n, into := name.Draw(t, "name"), own()
				if tree.Lookup(into, entry(n)) != nil {
					if !slices.Contains(names, n) {
						t.Fatalf("%s is found and was not added", n)
					}
					return
				}
				names = append(names, n)
				tree.Add(into, tree.Copy(entry(n).New(), nil))
			},
			"remove": func(t *rapid.T) {
				n, from := name.Draw(t, "name"), own()
				child := tree.Lookup(from, entry(n))
				if (child != nil) != slices.Contains(names, n) {
					t.Fatalf("%s: found %v", n, child)
				}
				if child != nil {
					tree.Remove(from, child)
					names = slices.DeleteFunc(names, func(s string) bool { return s == n })
				}
			},
			"rename": func(t *rapid.T) {
				from, to := name.Draw(t, "name"), name.Draw(t, "new name")
				if !slices.Contains(names, from) || slices.Contains(names, to) {
					return
				}
				c := tree.Own(path(t, "/config/list/entry[@name='"+from+"']").Find(tree.Root)[0])
				tree.Rename(c, to, nil)
				names[slices.Index(names, from)] = to
			},
			"move": func(t *rapid.T) {
				if len(names) < 2 {
					return
				}
				from, to := rapid.IntRange(0, len(names)-1).Draw(t, "from"), rapid.IntRange(0, len(names)-1).Draw(t, "to")
				tree.Move(own(), from, to)
				n := names[from]
				names = slices.Insert(slices.Delete(names, from, from+1), to, n)
			},
			"replace": func(t *rapid.T) {
				n, in := name.Draw(t, "name"), own()
				if old := tree.Lookup(in, entry(n)); old != nil {
					tree.Replace(in, old, tree.Copy(entry(n).New(), nil))
				}
			},
			"keep": func(*rapid.T) {
				states = append(states, tree.State())
				texts = append(texts, tree.Root.String())
			},
			"": func(t *rapid.T) {
				var b strings.Builder
				for _, n := range names {
					b.WriteString(`<entry name="` + n + `"/>`)
				}
				if got := own(); got.String() != "<list>"+b.String()+"</list>" && len(names) > 0 || len(got.Children) != len(names) {
					t.Fatalf("%s, want %v", got, names)
				}
				for i, s := range states {
					if s.String() != texts[i] {
						t.Fatalf("a state that was kept has changed: %s\nwas %s", s, texts[i])
					}
				}
			},
		})
	})
}

// An edit copies what stands on its way and shares the rest.
func TestAnEditSharesWhatItDoesNotTouch(t *testing.T) {
	tree := NewTree(parsed(t, document))
	before := tree.State()
	c := tree.Own(path(t, "/config/shared/tag").Find(tree.Root)[0])
	tree.Add(c.Last(), tree.Copy(Key{"entry", "u"}.New(), nil))
	if tree.Root == before || tree.Root.Child("shared") == before.Child("shared") {
		t.Error("what an edit touched is shared with the state before it")
	}
	if tree.Root.Child("devices") != before.Child("devices") {
		t.Error("what an edit did not touch was copied")
	}
	if again := tree.Own(c); again.Last() != c.Last() {
		t.Error("what the tree owns already was copied again")
	}
}
