package tail

import (
	"bytes"
	"path/filepath"
	"strconv"
	"strings"
)

// hasMeta tells whether a path has anything in it that filepath.Match does not take literally.
func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[\`) }

// generation tells whether name is one that rotation gives to an older generation of base, compressed or not:
// base plus "." or "-" and anything (x.log.1, x.log-20260102, x.log.old), or the extension kept and a date put before
// it (x-20260102.log, x.2026-01-02.log), or a short number (x.1.log). These are the schemes of logrotate(8), its
// options dateext and extension included.
func generation(base, name string) bool {
	if !strings.HasPrefix(name, strings.TrimSuffix(base, filepath.Ext(base))) {
		return false // most names of a folder
	}
	name, _ = unpacked(name)
	_, ok := generationMark(base, name)
	return ok
}

// generationMark gives the part of name that tells one generation from another.
func generationMark(base, name string) (string, bool) {
	if rest, ok := strings.CutPrefix(name, base); ok {
		return strings.TrimLeft(rest, ".-"), len(rest) > 1 && (rest[0] == '.' || rest[0] == '-')
	}
	ext := filepath.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	if ext == "" || stem == "" {
		return "", false
	}
	rest, ok := strings.CutPrefix(name, stem)
	if !ok {
		return "", false
	}
	rest, ok = strings.CutSuffix(rest, ext)
	if !ok || len(rest) < 2 || (rest[0] != '.' && rest[0] != '-') {
		return "", false
	}
	return rest[1:], dateLike(rest[1:]) || (rest[0] == '.' && generationNumber(rest[1:]) >= 0)
}

// dateLike tells whether text can be a date or a time: digits, at least the six of a short date, and separators.
func dateLike(text string) bool {
	digits := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits++
		case i == 0 || !strings.ContainsRune("-_.:TZ", rune(c)):
			return false
		}
	}
	return digits >= 6
}

// generationNumber reads the number of a generation, where a higher one is an older one; -1 if it is none.
func generationNumber(mark string) int {
	n, err := strconv.Atoi(mark)
	if err != nil || n < 0 || len(mark) > 4 {
		return -1
	}
	return n
}

// numberOf gives the number of a generation, compressed or not; -1 if it has none.
func numberOf(base, name string) int {
	name, _ = unpacked(name)
	mark, _ := generationMark(base, name)
	return generationNumber(mark)
}

// older orders generations of one base that have the same modification time: by number, else by name.
func older(base, a, b string) bool {
	a, _ = unpacked(a)
	b, _ = unpacked(b)
	ma, _ := generationMark(base, a)
	mb, _ := generationMark(base, b)
	if na, nb := generationNumber(ma), generationNumber(mb); na >= 0 && nb >= 0 {
		return na > nb
	}
	return a < b
}

// unpacked takes the suffix of a compressed file off its name, and tells whether there was one.
func unpacked(name string) (string, bool) {
	for _, suffix := range [...]string{".gz", ".tgz", ".Z", ".z", ".bz2", ".xz", ".lzma", ".zst", ".lz4", ".lzo", ".zip", ".7z"} {
		if plain, ok := strings.CutSuffix(name, suffix); ok {
			return plain, true
		}
	}
	return name, false
}

// compressed tells by its first bytes whether a file is compressed. No log line begins like one of these.
func compressed(head []byte) bool {
	for _, magic := range [...]string{
		"\x1f\x8b\x08",             // gzip, RFC 1952
		"\x1f\x9d",                 // compress
		"\x1f\xa0",                 // compress with LZH
		"\xfd7zXZ\x00",             // xz
		"\x28\xb5\x2f\xfd",         // zstd, RFC 8878
		"\x04\x22\x4d\x18",         // lz4 frame
		"\x89LZO\x00\r\n\x1a\n",    // lzop
		"PK\x03\x04",               // zip
		"7z\xbc\xaf\x27\x1c",       // 7z
		"\x5d\x00\x00\x80\x00\xff", // lzma with the usual dictionary
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return len(head) >= 10 && bytes.HasPrefix(head, []byte("BZh")) && bytes.Equal(head[4:10], []byte("1AY&SY")) // bzip2
}

// bases gives the names of which a name is that of a generation.
func bases(name string) []string {
	name, _ = unpacked(name)
	var out []string
	ext := strings.LastIndexByte(name, '.')
	for i := 1; i < len(name)-1; i++ {
		if name[i] != '.' && name[i] != '-' {
			continue
		}
		out = append(out, name[:i]) // x.log of x.log.1
		if i >= ext {
			continue
		}
		if base := name[:i] + name[ext:]; generation(base, name) { // x.log of x-20260102.log
			out = append(out, base)
		}
	}
	return out
}
