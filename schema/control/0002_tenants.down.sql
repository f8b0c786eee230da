DROP TABLE route_email;
DROP TABLE tenant;
