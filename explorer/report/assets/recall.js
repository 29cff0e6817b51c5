// Before anything is painted: an address that tells another choice than the page's first is waited for.

if (location.hash.startsWith("#s=")) document.documentElement.dataset.recalling = "true";
