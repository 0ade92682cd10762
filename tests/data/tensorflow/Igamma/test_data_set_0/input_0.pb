(J HµAìèÃAhjŒ@iAÚHõ@E«@*ÁÚAgáQA.Òú@ÑŒ3AÔ„ï?#FßA]]ÂA8Œ*AÐSfAqç¿@¸ü9AïŠAÈ€;A|´?|EçAX*ð?ý?…@ƒ
ÕAEþ`A0üA)×TAbZ@¹gAy4A„yÕ@­Ÿ‡AoÐB@bÜAßgAÜ3AÔ‚oAÀ$Ÿ?†A<LA