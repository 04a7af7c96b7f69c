package labels

import (
	"net/netip"
	"slices"
)

// Lists are the contents of all files at one moment. They are not changed any more and may be shared; nil ones are empty.
type Lists struct {
	files []Listing
}

// Listing is what one file lists.
type Listing struct {
	File
	Entries []netip.Prefix // masked and unmapped, in order of address; none lies within another
}

// Lookup gives the labels of the entries that share an address with p, in the order of the files.
func (l *Lists) Lookup(p netip.Prefix) []string {
	var found []string
	if l == nil {
		return nil
	}
	p = unmapped(p)
	for _, file := range l.files {
		if !slices.Contains(found, file.Label) && overlaps(file.Entries, p) {
			found = append(found, file.Label)
		}
	}
	return found
}

// Files gives the files of a mode in their order, also those without any entry.
func (l *Lists) Files(mode Mode) (files []Listing) {
	for _, file := range l.files {
		if file.Mode == mode {
			files = append(files, file)
		}
	}
	return files
}

// Entry is a network that a file lists.
type Entry struct {
	Network netip.Prefix // masked and unmapped
	Label   string
	File    string
}

// Entries gives what the files of a mode list, in the order of the files and of the addresses.
func (l *Lists) Entries(mode Mode) []Entry {
	var all []Entry
	if l == nil {
		return nil
	}
	for _, file := range l.files {
		if file.Mode != mode {
			continue
		}
		all = slices.Grow(all, len(file.Entries))
		for _, p := range file.Entries {
			all = append(all, Entry{p, file.Label, file.Path})
		}
	}
	return all
}

// apart sorts networks, and drops those that lie within another.
func apart(networks []netip.Prefix) []netip.Prefix {
	slices.SortFunc(networks, netip.Prefix.Compare)
	kept := networks[:0]
	for _, p := range networks { // a wider one comes before what lies in it
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return slices.Clip(kept)
}

// overlaps tells whether one of the networks, which are apart, shares an address with p.
func overlaps(networks []netip.Prefix, p netip.Prefix) bool {
	i, _ := slices.BinarySearchFunc(networks, p, netip.Prefix.Compare)
	return i > 0 && networks[i-1].Overlaps(p) || i < len(networks) && networks[i].Overlaps(p)
}

// unmapped gives IPv4 in IPv6 form as IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}
