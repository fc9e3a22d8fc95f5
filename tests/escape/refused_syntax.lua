-- ends: refused near
return { handler = function( }
