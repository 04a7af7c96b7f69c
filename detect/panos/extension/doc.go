// Package extension takes records in the Common Event Format (CEF) and the Log Event Extended Format (LEEF) apart, as PAN-OS
// and Strata Logging Service write them: into the header and the values of the keys that detection reads, as text. What the
// text means is the caller's business, and so is the syslog header.
//
// Neither format is safe by itself: PAN-OS escapes nothing in its values unless the server profile says so, and users, addresses of
// pages, agents and names of files hold what strangers put there, ` src=...` included. So it matters where a key stands. What precedes the first value that
// a stranger can choose is the firewall's. The table of keys says which values those are: those of users, and those of contents,
// which are easier to choose (an address of a page needs no account).
//
//   - A key that stands ahead of all such values is the firewall's, whatever follows (of several the last one); in all templates that PAN-OS
//     documents the source and the destination are such keys.
//   - Of a key that stands between the source and the first content the last one counts, so that a user cannot forge it; of one that stands nowhere ahead
//     of a content, the last one.
//   - What a key holds that is in no table, or that CEF leaves to a site (cs1 to cs6, fname, ...), is not known: a site may have put an address of a page there.
//     Keys ahead of it go before those behind it.
//   - The source address may stand behind any such value (Strata's longer records have users ahead of it). There it must be the only one, and
//     ahead of all such values the only one there: else the record has none that is certain, see [Reader.Certain].
//   - Where a record has all keys of a published template in their order once all but one of equal keys are taken out, that one is the firewall's, if it is certain that each of the
//     others is not: what stands behind it, up to the next value that a stranger may have chosen, the firewall would have written, too, and has another place in the template. That holds for sites
//     that left keys out, too, whatever strangers supply. Where several may be the firewall's, as when a stranger wrote keys around his own, it is left undecided, and what stands ahead goes on.
//   - A relay may cut a record off within a content, whose writer chose what then seems to stand behind it: [Reader.IsClosed] says whether it ends as a template does, [Reader.IsOpen] whether within a content.
//   - PAN-OS's templates have no direction, time, translated address or region right behind such a value: there it is a part of that value.
//
// So in a record with all keys of its template a user can forge nothing of a TRAFFIC record, and a content nothing that
// precedes it. A user of a THREAT record who holds a key of contents and others behind it can forge what stands between him and the true contents (ports, action),
// and what stands behind them in the template (direction, category),
// as contents that hold all of these could not be told from him; never the source, nor a severity below the true one, nor a direction that hides it (of several none counts, see [Reader.Each]). A key that a site left out of its template may be supplied by a stranger, so sites
// should leave none out. The name of a threat stands in the header, ahead of everything: it is the vendor's, and held for the firewall's.
package extension
