package verdict

// later are the replies with a 5xx that mean a 4xx. RFC 5321 section 4.2.1 says that
// a 5xx is not to be repeated, so a row stands here only where the host's own words
// leave no doubt that the same message is welcome later.
var later = compile([]row{
	// A limit per minute, hour or day, says its help page.
	{"QQ", "qq.com", 550, "", "ip frequency limited|connection frequency limited|sender frequency limited|domain frequency limited", Rate},
	// Ends with the hour.
	{"GoDaddy", "secureserver.net", 550, "", "has sent to too many recipients this hour", Rate},
	{"Outlook.com", "outlook.com", 554, "2.121|2.122", "per hour", MailboxRate},
	// The greeting of a host that is being taken out of service or is full.
	{"iCloud", "icloud.com", 554, "", "esmtp not accepting connections", Remote},
	// Greylisting is temporary by its nature, whatever the code.
	{"", "", 5, "", "greylist*try again|greylist*try later|greylist*retry|greylist*come back|greylist*seconds|greylist*minutes|graylist*try again", Greylisting},
	{"", "", 5, "", "temporarily locked*try again later|temporary locked*try again later|temporarily rejected*try again|temporarily deferred*try again|try again later*temporarily deferred", Remote},
})
