// Package mta starts mail servers that nobody here wrote, Postfix, Sendmail,
// Exim and OpenSMTPD, and the virus scanner clamd, each from its Debian package
// unpacked into a private root, so that end-to-end tests and benchmarks can set
// sesame beside them. It owns their
// private directories, their processes and the settings that make them run
// there. It knows nothing of sesame: what a server relays to, and with which
// recipe, is told by the caller.
//
// The packages conflict with each other and are therefore never installed;
// .ci/counterparts unpacks them into one folder per package under the folder
// that Roots names.
package mta
